"""From text to tokens: normalize, split into sentences, look up phones, number them. Nothing heavy is imported here."""
