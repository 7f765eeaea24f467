"""Results folders as a run leaves them behind, without running anything."""
