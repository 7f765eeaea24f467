"""MLflow as a projection of the journals: idempotent, restartable, never loaded by a training process."""
