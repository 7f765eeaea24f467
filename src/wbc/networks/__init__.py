"""Networks: which there are, where their weights come from, what they cost, and how they are built.

Free of Keras: `catalog`, `network`, `users`, `weights` and `facts`. They load Keras: `build`, `complexity`
and `papers`. `preprocessing`, and the download in `weights`, load it when they are called.
"""
