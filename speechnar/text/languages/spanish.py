"""Normalize Spanish."""

from __future__ import annotations

from speechnar.text.languages.normalizer import Normalizer


class Spanish(Normalizer):
    """Write out Spanish text."""
