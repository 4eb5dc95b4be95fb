"""Mail, from the outbox to a real SMTP server."""
