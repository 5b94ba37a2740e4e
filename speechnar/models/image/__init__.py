"""Image models: images to tokens and back, and images of a class, all tokens at once."""
