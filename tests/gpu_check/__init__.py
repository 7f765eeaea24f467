"""`make gpu-check`: what leukobench does on a real GPU, checked on the user's own machine."""
