"""A black box: these tests know a base URL, how to read mail, and how to make a superuser."""
