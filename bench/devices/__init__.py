"""Devices: what there is, who gets it, and who else uses it. The only package that knows NVML."""
