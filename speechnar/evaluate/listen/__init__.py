"""Listening tests: made from folders of wavs, served to raters in a browser, and reported."""
