"""From log-probabilities of a recogniser's units to words with times. NumPy only."""
