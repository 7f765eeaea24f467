"""The harness: suites, scheduling, recording and reporting of training runs."""

__version__ = "0.1.0"
