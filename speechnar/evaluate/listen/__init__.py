"""Listening tests: made of folders of wavs, served to raters in a browser, and reported."""
