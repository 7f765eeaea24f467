"""What the machine can and cannot do, and what to do about it: `doctor`."""
