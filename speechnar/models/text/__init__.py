"""Text models: from tokens of one text to those of another, all at once."""
