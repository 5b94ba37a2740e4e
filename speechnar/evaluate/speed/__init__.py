"""Speed and memory of voices."""
