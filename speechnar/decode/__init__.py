"""From log-probabilities of a recognizer's units to words with times. NumPy only."""
