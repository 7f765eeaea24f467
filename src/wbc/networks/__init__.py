"""Networks: what there is, where their weights come from, how they are built.

`catalog`, `network` and `weights` are free of Keras; `build`, `fetch`, `papers` and `preprocessing` load it.
"""
