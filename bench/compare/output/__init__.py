"""A verdict for people and for machines; every output is made from the same `Verdict`."""
