"""From a suite file to its cells."""
