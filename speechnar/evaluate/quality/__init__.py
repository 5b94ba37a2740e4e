"""Quality of synthesized speech: predicted MOS, distances from recordings, boundaries of phones."""
