"""Passes of trained models over a corpus: alignment, decoding, predicted mels, encoder states, copy-synthesis."""
