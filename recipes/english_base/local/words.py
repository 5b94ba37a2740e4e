"""The words that the recognizer writes: lower-case letters and apostrophes."""

import re
import unicodedata


def words(text: str) -> str | None:
    """Return a transcript in lower-case letters and apostrophes; None if it has digits, whose reading is not known."""
    text = unicodedata.normalize("NFKD", text.lower().replace("’", "'")).encode("ascii", "ignore").decode()
    if re.search(r"\d", text):
        return None
    quoted = re.sub(r"(?<![a-z])'+|'+(?![a-z])", " ", text)  # quotation marks, not apostrophes
    return " ".join(re.sub(r"[^a-z']+", " ", quoted).split()) or None
