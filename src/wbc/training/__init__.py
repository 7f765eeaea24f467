"""How a network is trained: modes, heads, optimisers, batches, and what is reported meanwhile."""
