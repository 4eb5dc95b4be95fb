"""Black-box tests: they know a base URL, how to read mail, and how to create a superuser."""
