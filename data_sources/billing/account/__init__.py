"""What a customer has and does with it: changes, the end of a plan, usage, credits, invoices, the card."""
