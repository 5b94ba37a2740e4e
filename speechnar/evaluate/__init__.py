"""Evaluation: metrics of systems with intervals, and paired tests of two systems."""
