"""The peers that Keystead is measured beside."""
