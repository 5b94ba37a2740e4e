"""Vocoders and the discriminators that train them."""
