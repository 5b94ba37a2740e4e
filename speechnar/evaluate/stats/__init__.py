"""Intervals, paired tests, tables and plots that every evaluation shares."""
