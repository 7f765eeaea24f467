"""What a run would do: with which trials and why, for how long, and what it takes."""
