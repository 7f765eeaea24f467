"""The process in which one trial runs, in whatever TensorFlow environment starts it.

It needs `wbc`'s own dependencies and the standard library, nothing else of the harness' dependencies.
"""
