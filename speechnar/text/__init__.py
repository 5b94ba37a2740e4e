"""From text to tokens: normalise, split into sentences, look up phones, number them. Nothing heavy is imported here."""
