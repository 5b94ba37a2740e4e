"""Music with lyrics: files to notes, lyrics to phones on notes, phone timing and F0 by rule. NumPy only."""
