"""Folds the journals of an attempt into its record. Pure functions."""
