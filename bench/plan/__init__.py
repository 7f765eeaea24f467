"""What a run would do: with which cells and why, for how long, and what it takes."""
