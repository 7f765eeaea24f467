"""What came before deep learning: features measured on the cell, and a classifier of a few numbers."""
