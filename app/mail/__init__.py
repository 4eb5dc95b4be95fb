"""Mail: an outbox and its delivery."""
