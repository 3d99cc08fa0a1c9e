"""Subscriptions: Lago owns plans and invoices, Stripe owns cards and money, we own the attempt."""
