"""What is known about this machine: who it is, what it can do at most, what disturbs it."""
