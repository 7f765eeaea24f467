"""Running trials: a scheduler that chooses, and engines that start processes."""
