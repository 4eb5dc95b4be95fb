"""Mail, from the outbox to a server that really speaks SMTP."""
