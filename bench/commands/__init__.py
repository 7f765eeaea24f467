"""The command line: one file per verb. A verb parses and prints; the function that it calls does the work."""
