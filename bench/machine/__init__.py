"""This machine: its facts, the measured peaks of its devices, and what journals keep of both."""
