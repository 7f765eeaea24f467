"""From a suite file to its trials."""
