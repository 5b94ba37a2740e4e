"""Speed and memory of voices and recognizers."""
