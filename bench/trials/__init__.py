"""Values that every room uses: what is run (a trial), within which limits, on which data, and its record."""
