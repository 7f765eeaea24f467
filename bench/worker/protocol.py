"""What parent and worker agree on: the names of the environment variables that the worker reads."""

SPAWNED_NS = "LEUKOBENCH_SPAWNED_NS"
"""Monotonic time, in nanoseconds, at which the parent started the process."""

EVENT_FD = "LEUKOBENCH_EVENT_FD"
"""File descriptor of the pipe that gets a copy of the events."""

PARENT_PID = "LEUKOBENCH_PARENT_PID"
"""The parent; a worker whose parent is gone must not train on."""

DEVICE_KIND = "LEUKOBENCH_DEVICE_KIND"
"""`gpu` or `cpu`: what the worker was given."""

CORES = "LEUKOBENCH_CORES"
"""The processor's cores that the worker may use, such as `0,1`; unset: all that its parent may use."""

REPLICAS = "LEUKOBENCH_REPLICAS"
"""On how many devices the trial is trained at once; unset: 1."""
