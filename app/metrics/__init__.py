"""A process's counts of its requests and log-ins. May import nothing of ours."""
