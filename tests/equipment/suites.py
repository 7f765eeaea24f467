"""Tables of suites that many tests share."""

SOME_CELLS = """
[data]
source = "synthetic"
image_size = 32
train_images_per_class = 6
validation_images_per_class = 2
test_images_per_class = 4
"""
"""Enough to train on."""

FEW_CELLS = """
[data]
source = "synthetic"
image_size = 32
train_images_per_class = 2
validation_images_per_class = 1
test_images_per_class = 1
"""
"""The fewest: of trials that only have to end."""
