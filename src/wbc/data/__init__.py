"""Images: where they come from, how they are split, how they become arrays. Free of Keras."""

PARTS = ("train", "validation", "test")
"""The parts of every data set, in the order in which they are named."""

CELL_CLASSES = ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL")
"""The four kinds of white blood cells of the thesis, in the order of its tables."""

BACKGROUNDS = ("keep", "remove")
"""What becomes of everything round the white cell."""
