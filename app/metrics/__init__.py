"""What a process measures of its own work: requests and log-ins. May import nothing of ours."""
