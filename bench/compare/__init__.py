"""Is one side worse than the other? Pairs of measurements, judged in speed and in learning."""
