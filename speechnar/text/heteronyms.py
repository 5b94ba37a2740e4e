"""Choose between the pronunciations of one spelling: `I used a fork` and `I used to`, `lead pipe` and `in the lead`.

The lexicon gives a word's phones by part of speech, but only for base forms of verbs and singular nouns; `ROLES` says
which of them a tag of the Penn Treebank may take. Where the part of speech does not tell, `by_context` looks at the
words and tags before and after.

Source: the tags are those of M. Marcus, B. Santorini, M. A. Marcinkiewicz: Building a large annotated corpus of
English: the Penn Treebank. Computational Linguistics 19(2), 1993. The rules are this project's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

ROLES = {
    **dict.fromkeys(("VBP", "VBZ", "VBG"), ("VB",)),
    **dict.fromkeys(("VBD", "VBN"), ("VBD", "VB")),
    **dict.fromkeys(("NNS", "NNP", "NNPS"), ("NN",)),
    **dict.fromkeys(("JJR", "JJS", "RB", "RP"), ("JJ",)),
    "JJ": ("JJ", "NN"),
}
"""The entries of the lexicon that fit a tag, best first, where it has none for the tag itself."""

_REACH = 4  # words on each side
_BE = (
    r"(?:\S*'(?:s|m|re)|am|is|are|was|were|be|been|being|get|gets|got|getting|become|became|wasn't|isn't|aren't"
    "|weren't)"
)
_ADVERB = r"(?: (?:not|also|often|still|now|only|never|quite|so|very|really|pretty|perfectly|once|being|commonly)/\S+)?"
_HAVE = r"(?:have|has|had|having|haven't|hasn't|hadn't|\S+'ve|\S+'d)"


class _Rule(NamedTuple):
    """The phones of a word whose neighbors and tag match; a pattern that is empty matches all.

    `before` and `after` are patterns of `word/TAG` separated by spaces, the nearest at their end and at their start.
    """

    before: str
    tag: str
    after: str
    phones: str


_METAL_AFTER = (
    "pipes?|poisoning|paint|shot|acid|pencils?|weights?|oxide|bullets?|exposure|levels?|contamination|crystal|glass|foil"
    "|batter(?:y|ies)|solder|mines?|ore|ingots?|dust|sulfide|content|roof|free|lined|sinkers?|balls?|plates?|sheets?|toxicity"
)
_METALS = "iron|copper|zinc|mercury|tin|arsenic|cadmium|steel|silver|gold|nickel|uranium|molten|metallic"
_MEASURED = "made|full|pieces?|lumps?|sheets?|traces?|amounts?|pounds?|tons?|grams?|coated|levels"
_LIVE_THINGS = (
    "music|shows?|bands?|concerts?|wires?|animals?|bait|streams?|streaming|broadcasts?|audio|video|audiences?|versions?|tv"
    "|performances?|recordings?|coverage|television|ammunition|rounds?|births?|chats?|updates?|demos?|albums?|events?"
    r"|feeds?|theater|action|oak|sets?|tracks?|sessions?|entertainment|on/\S+ (?:air|stage|tv|television|radio)"
)
_SHOWN = r"broadcast|streamed|aired|recorded|perform\w*|watch\w*|goes|went|going|shown|seen|report\w*|coming|play\w*"
_SMALL = "amounts?|quantit(?:y|ies)|details?|particles?|traces?|differences?|fractions?|portions?|doses?|specks?|holes?"
_COUNTED = (
    r"last|every|per|each|next|first|final|one|two|three|four|five|ten|fifteen|twenty|thirty|forty|fifty|sixty|\S+y"
)
_TOOK = r"(?:t[ao]k(?:es?|ing)|took|final|deep|low|slight|little|polite|formal|stiff|courtly|gave|with)"
_SCHOLARS = "m[ae]n|wom[ae]n|scholars?|judges?|professors?|friends?|societ(?:y|ies)|doctors?|colleagues?"
_NEAR = "so|too|very|how|come|came|comes|get|got|is|was|were|are|stay|stand|stood|sit|sat|as|keep"
_FISH = r"catch\w*|caught|sea|striped|largemouth|smallmouth|fried|grilled|baked|chilean|fish\w*"

_RULES: dict[str, tuple[_Rule, ...]] = {
    "used": (
        _Rule(rf"(?:^| ){_BE}/\S+{_ADVERB}$", "", r"to/\S+ \S+/VB\b", "j ˈu z d"),  # was used to make
        _Rule(r"/NNS?$", "VBN", r"to/\S+ \S+/VB\b", "j ˈu z d"),  # the tool used to cut
        _Rule("", "", r"to/", "j ˈu s t"),
        _Rule("", "", "", "j ˈu z d"),
    ),
    "use": (_Rule(r"(?:^| )(?:did|didn't)/\S+(?: \S+/(?:RB|PRP|NNP?))?$", "", r"to/", "j ˈu s"),),
    "read": (
        _Rule(rf"(?:^| ){_HAVE}/\S+(?: \S+/(?:PRP|RB|NNP?|DT|NN))*$", "VB.?", "", "ɹ ˈɛ d"),  # have you read
        _Rule(rf"(?:^| )(?!get|got){_BE}/\S+{_ADVERB}$", "", "", "ɹ ˈɛ d"),  # was read
        _Rule(r"(?:^| )(?:he|she|it|who)/\S+(?: (?:never|once|then|also|just|only)/\S+)?$", "", "", "ɹ ˈɛ d"),
        _Rule(r"(?:^| )well/\S+$", "", "", "ɹ ˈɛ d"),
    ),
    "tear": (
        _Rule(r"\b(?:shed|sheds|shedding|wip\w+|cry|cried|crying|eyes?|cheeks?|single)/.*$", "NN", "", "t ˈɪ ɹ"),
        _Rule("", "", r"(?:gas|drops?|ducts?|jerkers?|stain\w*|streak\w*|fell|roll\w+|r[au]ns?|drop\w+)/", "t ˈɪ ɹ"),
        _Rule("", "NN|JJ", r"(?:in|from)/\S+ (?:my|his|her|your|their|the|one)/\S+ eyes?/", "t ˈɪ ɹ"),
    ),
    "tears": (
        _Rule(r"(?:^| )(?:he|she|it|who|that|and|which)/\S+$", "VBZ", "", "t ˈɛ ɹ z"),
        _Rule(r"(?:wear|rips)/\S+ and/\S+$", "", "", "t ˈɛ ɹ z"),
        _Rule("", "VBZ", r"(?:up|down|off|apart|out|the|a|it|them)/", "t ˈɛ ɹ z"),
        _Rule("", "", r"in/\S+ \S+/\S+ (?:coat|shirt|fabric|cloth|paper|muscle|jeans|sail)", "t ˈɛ ɹ z"),
    ),
    "bow": (
        _Rule("", "", r"(?:ties?|and/\S+ arrows?|string|window|legged|hunt\w*)/", "b ˈoʊ"),
        _Rule("", "", r"(?:of/\S+ (?:the|a|his|her|our)/\S+ (?:ship|boat|vessel|canoe)|and/\S+ stern)/", "b ˈaʊ"),
        _Rule(rf"\b{_TOOK}/\S+(?: (?:a|an|his|her|my|their|your|final|deep|low|last)/\S+)*$", "NN", "", "b ˈaʊ"),
        _Rule("", "VB.?", "", "b ˈaʊ"),
        _Rule(r"(?:^| )(?:to|will|must|should|would|not|and)/\S+$", "", r"(?:to|before|down|out|in)/", "b ˈaʊ"),
    ),
    "bows": (
        _Rule("", "VBZ", "", "b ˈaʊ z"),
        _Rule(rf"(?:{_TOOK}|many|their)/\S+$", "NNS", r"(?:to|before|and/\S+ curtsies)|$", "b ˈaʊ z"),
    ),
    "minute": (
        _Rule(rf"^$|(?<!\S)(?!(?:{_COUNTED})/)\S+/(?!CD)\S+$", "", r"\S+s/NNS\b", "m aɪ n ˈu t"),  # minute details
        _Rule("", "", rf"(?:{_SMALL})/", "m aɪ n ˈu t"),
        _Rule(r"(?:^| )(?:so|very|most|too|how|extremely|equally)/\S+$", "", "", "m aɪ n ˈu t"),
        _Rule("", "", "", "m ˈɪ n ɪ t"),
    ),
    "lead": (
        _Rule("", "", rf"(?:{_METAL_AFTER})/", "l ˈɛ d"),
        _Rule(rf"(?:^| )(?:{_METALS})/\S+(?: (?:and|or|of)/\S+)?$", "", "", "l ˈɛ d"),
        _Rule("", "", rf"(?:and|or)/\S+ (?:{_METALS})/", "l ˈɛ d"),
        _Rule(rf"(?:{_MEASURED})/\S+ (?:of|in|with)/\S+$", "", "", "l ˈɛ d"),
        _Rule(r"(?:like|as/\S+ heavy/\S+ as|heavy/\S+ as|than)/\S+$", "", r"$", "l ˈɛ d"),
        _Rule("", "", "", "l ˈi d"),
    ),
    "live": (
        _Rule("", "", rf"(?:{_LIVE_THINGS})/", "l ˈaɪ v"),
        _Rule(rf"\b(?:{_SHOWN})/\S+(?: (?:it|them|us|her|him|this)/\S+)?$", "", "", "l ˈaɪ v"),
    ),
    "close": (
        _Rule(r"(?:^| )(?:the|a)/\S+$", "NN", r"of/|$", "k l ˈoʊ z"),
        _Rule(rf"(?:^| )(?:{_NEAR})/\S+$", "", r"to/|$|enough/|by/|together/", "k l ˈoʊ s"),
    ),
    "content": (
        _Rule(
            rf"(?:^| )(?:{_BE}|feels?|felt|seem(?:s|ed)?|not|perfectly|quite|very|so|more|most)/\S+$",
            "", "", "k ə n t ˈɛ n t",
        ),
        _Rule(r"^$|(?:^| )(?!the|a|this|its|our|web|of)\S+/\S+$", "", r"with/\S+ \S+/PRP", "k ə n t ˈɛ n t"),
    ),
    "dove": (
        _Rule(
            r"^(?!.*\b(?:the|a|white|turtle|mourning)/\S+$).+$", "",
            r"(?:into|in|off|under|down|through|headfirst|deep|for|after|to)/", "d ˈoʊ v",
        ),
    ),
    "wound": (
        _Rule("", "", r"(?:up|around|round|its|down|through)/", "w ˈaʊ n d"),
        _Rule(r"(?:^| )(?:to|will|could|would|not|may|might|can)/\S+$", "", "", "w ˈu n d"),
    ),
    "bass": (
        _Rule(rf"\b(?:{_FISH})/\S+(?: (?:a|an|some|the|two|big|large)/\S+)*$", "", "", "b ˈæ s"),
        _Rule("", "", r"(?:fish\w*|boats?|pro|swam|swim\w*)/", "b ˈæ s"),
    ),
    "wind": (
        _Rule("", "", r"(?:up/\S+ (?:the|a|in|with|as|\S+ing)|down/\S+ (?:the|after)|it)/", "w ˈaɪ n d"),
    ),
    "graduate": (_Rule("", "NN|VB.?", r"from/", "ɡ ɹ ˈæ d͡ʒ u ˌeɪ t"),),
    "contract": (_Rule("", "VB.?", "", "k ə n t ɹ ˈæ k t"),),
    "number": (_Rule("", "", "", "n ˈʌ m b ɚ"),),
    "learned": (
        _Rule(r"(?:^| )(?:a|the|most|very|my|his|our|this)/\S+$", "", rf"(?:{_SCHOLARS})/", "l ˈɚ n ɪ d"),
    ),
    "axes": (
        _Rule(r"(?:^| )(?:[xyz]|coordinate|principal)/\S+$", "", "", "ˈæ k s i z"),
        _Rule("", "", r"of/\S+ (?:\S+/\S+ )?(?:rotation|symmetry|chart|plot|graph)/", "ˈæ k s i z"),
    ),
    "does": (_Rule("", "", "", "d ˈʌ z"),),
}  # fmt: skip


def by_context(words: Sequence[str], tags: Sequence[str], n: int) -> tuple[str, ...] | None:
    """Return the phones that the neighbors of `words[n]` ask for, or None where they do not decide.

    Args:
        words: the words of one sentence without punctuation.
        tags: their Penn Treebank tags, as many as there are words.
        n: place of the word.
    """
    word = words[n].lower()
    if word == "polish":
        follows = words[n + 1].lower() if n + 1 < len(words) else ""
        country = words[n][0] == "P" and (n > 0 or follows not in ("the", "your", "my", "it", "a", "up"))
        return ("p", "ˈoʊ", "l", "ɪ", "ʃ") if country else ("p", "ˈɑ", "l", "ɪ", "ʃ")
    rules = _RULES.get(word)
    if rules is None:
        return None
    pairs = [f"{w.lower()}/{t}" for w, t in zip(words[max(0, n - _REACH) : n + _REACH + 1], tags[max(0, n - _REACH) :])]
    place = min(n, _REACH)
    before, after = " ".join(pairs[:place]), " ".join(pairs[place + 1 :])
    for rule in rules:
        if (
            (not rule.before or re.search(rule.before, before))
            and (not rule.tag or re.fullmatch(rule.tag, tags[n]))
            and (not rule.after or re.match(rule.after, after))
        ):
            return tuple(rule.phones.split())
    return None
