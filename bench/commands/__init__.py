"""The command line: one file a verb, each of which parses and prints; the work is done elsewhere."""
