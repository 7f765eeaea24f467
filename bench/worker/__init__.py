"""The process in which one trial runs, in whatever environment starts it.

It needs only the dependencies of `wbc` and the standard library, and imports nothing else of the harness.
"""
