"""Passes of trained models over a corpus: alignment, decoding, GTA mels, encoder states, copy-synthesis."""
