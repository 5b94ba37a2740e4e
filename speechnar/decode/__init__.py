"""Decoders: from the output of an encoder to tokens, and from tokens to words with times. NumPy only.

`interface` has the one loop in which all methods run, `methods` the table `DECODERS`; each method has its own file.
"""
