"""Statistics of pairs: pure functions of arrays; seeds are given."""
