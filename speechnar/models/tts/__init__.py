"""Text-to-speech models: acoustic models and aligners."""
