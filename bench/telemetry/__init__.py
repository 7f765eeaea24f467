"""What a trial does to its machine, and the machine to it: sampled by a process of its own.

The sampler (`python -m bench.telemetry`) needs the standard library and, for GPUs, pynvml. Pure functions in
`bench.records` fold its files into records.
"""
