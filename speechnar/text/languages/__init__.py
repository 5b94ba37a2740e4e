"""Read text of other languages than English: one front end a language, chosen by its code."""
