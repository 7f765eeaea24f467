"""From source photographs to the images of a data set: decode, crop, mask, resize, split, augment, write.

Everything in this folder can change pixels or a manifest. Caches of prepared images are therefore keyed by a
hash of the whole folder.
"""
