"""What this machine can measure, what disturbs it, and what to change: `doctor`."""
