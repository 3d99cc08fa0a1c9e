"""What the console itself must remember: used sign-in links, checkout attempts, the audit log."""
