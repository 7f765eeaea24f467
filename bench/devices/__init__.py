"""Devices and slots, leases, and other users of the machine. The only package that uses NVML."""
