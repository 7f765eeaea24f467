"""What happened, as append-only files, and the records folded from them."""
