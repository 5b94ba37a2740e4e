"""Normalize French."""

from __future__ import annotations

from speechnar.text.languages.normalizer import Normalizer


class French(Normalizer):
    """Write out French text."""
