"""Look at the text before and after a match, a few characters deep, so that it costs the same in any text."""

from __future__ import annotations

import re

STARTERS = frozenset(
    """a add after all almost although an and another any approx approximately are as ask at because before begin both
    bring but by call can check come consider dear did do does during each even every few finally first for from
    give go had has have he hello hence her here his how however i if in indeed instead into is it its keep last
    later let listen look make many may meanwhile more most my never next no nobody none nor not note nothing
    now of on once one only open or otherwise our over people perhaps please put read remember second see
    several she should similarly since so some sometimes soon still such take tell than thanks that the their
    them then there therefore these they think this those though through thus to today tomorrow try turn two
    under unless until use wait was we welcome well were what whatever when where whether which while who whose
    why will with would yes yesterday yet you your""".split()
)
"""Words that, capitalized after a full stop, begin a sentence rather than name somebody."""

_NEAR = 40  # characters


def before(match: re.Match[str]) -> str:
    """Return the text just before a match."""
    return match.string[max(0, match.start() - _NEAR) : match.start()]


def after(match: re.Match[str]) -> str:
    """Return the text just after a match."""
    return match.string[match.end() : match.end() + _NEAR]


def starts_sentence(match: re.Match[str]) -> bool:
    """Tell whether a match stands at the beginning of a sentence."""
    return re.search(r"(?:^|[.?!:]\s+)$", before(match)) is not None


def ends_sentence(rest: str) -> bool:
    """Tell whether the full stop of an abbreviation also ends the sentence, by the text after it."""
    found = re.match(r"[\"')\]]*\s*(?:$|([A-Z][a-z']*)\b)", rest)
    return found is not None and (found[1] is None or found[1].lower() in STARTERS)
