"""Pure functions from outputs and batches to named loss terms."""
