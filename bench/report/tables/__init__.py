"""Tables as data frames, and how they are written for people."""
