"""Speak silent final consonants of French before a vowel where speakers always do: `les enfants`, `un grand homme`.

Source: Fouché 1959, Traité de prononciation française, 2nd edition, part 4: liaison after determiners, before nouns
after adjectives that precede them, after clitic pronouns, short prepositions and adverbs, and after `est` and `sont`.
"""

from __future__ import annotations

from collections.abc import Sequence

from speechnar.text.guesser import Phones

_SPOKEN = {
    **dict.fromkeys(
        "les des ces mes tes ses nos vos leurs aux quelques plusieurs certains certaines quels quelles nous vous ils"
        " elles deux trois six dix vingts cents chez dans sans sous très plus moins bons bonnes beaux belles petits"
        " petites grands grandes gros autres jeunes vieux premiers premières mauvais pas suis es sommes êtes".split(),
        "z",
    ),
    **dict.fromkeys("un mon ton son aucun bien rien en on commun".split(), "n"),
    **dict.fromkeys(
        "petit grand second tout quand dont est sont ont font vont était étaient avait avaient vingt cent fort".split(),
        "t",
    ),
    **dict.fromkeys("trop beaucoup".split(), "p"),
}
_VOWELS = "aeiouyɛɔœøəɑ"
_ASPIRATED = frozenset(
    """hache haie haine haïr hall halte hamac hameau hanche handicap handicapé hangar hanter harcèlement hardi hareng
    haricot haricots harnais hasard hâte hausse haut haute hauts hautes hauteur hérisson héros hibou hiérarchie hippie
    hobby hockey hollandais hollande homard hongrie hongrois honte honteux hors hotte houle housse huée huit huitième
    hurler hutte oui onze onzième yaourt yacht un uns""".split()
)
"""Words that begin with a vowel sound and let no consonant be linked to it."""


def join(words: Sequence[str], pauses: Sequence[str], phones: Sequence[Phones]) -> list[Phones]:
    """Return the phones of the words of a sentence with the consonants that are linked to the next word.

    Args:
        words: of one sentence.
        pauses: the pause mark after each word, or nothing; over a pause nothing is linked.
        phones: of each word.
    """
    joined = list(phones)
    for n in range(len(words) - 1):
        linked = _SPOKEN.get(words[n].lower())
        following = phones[n + 1]
        if (
            linked
            and not pauses[n]
            and following
            and following[0].lstrip("ˈˌ")[:1] in _VOWELS
            and words[n + 1].lower() not in _ASPIRATED
        ):
            if phones[n] and phones[n][-1] not in (linked, {"z": "s", "t": "t"}.get(linked)):
                joined[n] = (*phones[n], linked)
    return joined
