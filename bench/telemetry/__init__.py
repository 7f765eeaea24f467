"""What a trial does to its machine, and the machine to it: sampled beside it by a process of its own.

The sampler (`python -m bench.telemetry`) needs the standard library, and pynvml where the slot has GPUs. What
it writes is folded into records by pure functions.
"""
