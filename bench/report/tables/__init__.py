"""Tables as data frames, and as text for people."""
