"""What a trained network is worth: predictions per image and the figures made from them."""
