"""Images: where they come from, how they are split, and how they become arrays. Free of Keras."""

SPLITS = ("train", "validation", "test")
"""The splits of every data set, in the order in which they are listed."""

CELL_CLASSES = ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL")
"""The four kinds of white blood cells of the thesis, in the order of its tables."""

BASOPHIL = "BASOPHIL"
"""A fifth kind, which the thesis leaves out: BCCD has three of them."""

BACKGROUNDS = ("keep", "remove")
"""What happens to everything around the white cell."""
