"""Traces of TensorFlow's profiler, read without TensorFlow and its tools."""
