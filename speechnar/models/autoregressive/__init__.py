"""Autoregressive twins, with which the parallel models are compared."""
