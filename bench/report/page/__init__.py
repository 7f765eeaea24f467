"""The page that people look at: one file that needs no network."""
