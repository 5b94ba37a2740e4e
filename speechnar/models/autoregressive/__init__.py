"""Autoregressive models that the parallel models are compared with."""
