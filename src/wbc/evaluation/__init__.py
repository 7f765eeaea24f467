"""How good a trained classifier is: predictions per image, metrics with intervals, and its cost."""
