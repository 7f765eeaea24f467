"""Trials on the nodes of a Ray cluster. Ray is imported only when a run asks for it."""
