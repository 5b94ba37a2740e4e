"""Vocoders of others, from the Hugging Face hub or from a folder."""
