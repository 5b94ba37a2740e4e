"""Turn text into tokens: normalize, split into sentences, look up phones, number them. Imports nothing heavy."""
