"""Traces of TensorFlow's profiler, read without TensorFlow and without its tools."""
