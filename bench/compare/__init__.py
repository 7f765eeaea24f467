"""Is the candidate worse than the baseline? Pairs of measurements, judged in speed and in learning."""
