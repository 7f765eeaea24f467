"""The system under test: white-blood-cell images, networks, training and evaluation.

Importing this package loads nothing heavy; Keras is loaded by the functions that need it.
"""
