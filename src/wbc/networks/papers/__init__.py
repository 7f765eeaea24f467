"""Networks written in Keras from their papers, a module a network.

Each module offers a builder, `builder(input_shape, classes=None, ...)`, which makes a classifier, or without
`classes` the network up to its last feature maps, and `preprocess_input`, which scales pixels for it, as the
modules of `keras.applications` do. All load Keras and keep to its own operations.
"""
