"""Classification before deep learning: features measured on the cell, and a small classifier."""
