"""Normalize French: gender of numbers, ordinals, dates, hours, euros and centimes, abbreviations, kings and centuries.

Source: Grevisse and Goosse, Le bon usage, 16th edition 2016, "Les numéraux" (gender of `un`, ordinals, names of kings)
and "Les abréviations".
"""

from __future__ import annotations

import re

from speechnar.text.languages.normalizer import Normalizer
from speechnar.text.roman_numerals import value

_MONTHS = "janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre"
_PARTS = "chapitres?|tomes?|volumes?|actes?|livres?|scènes?|articles?|Chapitre|Tome|Volume|Acte|Livre|Article"
_FEMININE = (
    "heures?|minutes?|secondes?|semaines?|fois|pages?|femmes?|filles?|personnes?|voitures?|maisons?|villes?|tonnes?|livres?"
    "|pièces?|places?|chambres?|tasses?|bouteilles?|tables?|réponses?|voix|îles?|langues?|lettres?"
    "|\\w+(?:tion|sion|té|ée|ette|ance|ence|ure|ude)s?"
)
_FRACTIONS = {2: "demi", 3: "tiers", 4: "quart", 5: "cinquième", 6: "sixième", 8: "huitième", 10: "dixième"}


class French(Normalizer):
    """Write out French text as the words that a reader says."""

    abbreviations = {
        "M.": "monsieur", "MM.": "messieurs", "Mme": "madame", "Mmes": "mesdames", "Mlle": "mademoiselle",
        "Mlles": "mesdemoiselles", "Dr": "docteur", "Dr.": "docteur", "Pr": "professeur",
        "St": "saint", "Ste": "sainte", "etc.": "et cetera", "c.-à-d.": "c'est-à-dire", "p. ex.": "par exemple",
        "cf.": "confer", "n°": "numéro", "N°": "numéro", "nº": "numéro", "p.": "page", "pp.": "pages",
        "chap.": "chapitre", "vol.": "volume", "art.": "article", "fig.": "figure", "éd.": "édition", "av.": "avenue",
        "bd": "boulevard", "Bd": "boulevard", "tél.": "téléphone", "env.": "environ", "max.": "maximum",
        "min.": "minimum", "av. J.-C.": "avant Jésus-Christ", "apr. J.-C.": "après Jésus-Christ",
        "janv.": "janvier", "févr.": "février", "juil.": "juillet", "sept.": "septembre", "oct.": "octobre",
        "nov.": "novembre", "déc.": "décembre", "vs": "versus",
    }  # fmt: skip
    signs = {
        "%": "pour cent", "‰": "pour mille", "&": "et", "+": "plus", "=": "égale", "×": "fois", "÷": "divisé par",
        "@": "arobase", "<": "inférieur à", ">": "supérieur à", "°": "degrés", "#": "dièse", "€": "euros",
        "$": "dollars", "§": "paragraphe", "²": "au carré", "³": "au cube", "≈": "environ", "±": "plus ou moins",
    }  # fmt: skip
    before_numbers = frozenset({"p.", "pp.", "chap.", "vol.", "art.", "fig."})
    words_in_capitals = frozenset(
        {"ONU", "SIDA", "PIN", "BAC", "ZAC", "ZEP", "SMIC", "FIAC", "PACS", "INSEE", "UNESCO"}
    )
    web = ("point", "arobase", "barre")
    between = ("à", "fois")

    def read_roman_numerals(self, text: str) -> str:
        """Read centuries by ordinals, kings but the first and parts by numbers: `XXIe siècle`, `Louis XIV`."""

        def ordered(match: re.Match[str]) -> str:
            number, ending = value(match[1]), match[2]
            if not number:
                return match[0]
            return self._ordinal(number, ending)

        def counted(match: re.Match[str]) -> str:
            number = value(match[2])
            return f"{match[1]} {self.numbers.cardinal(number)}" if 0 < number <= 30 else match[0]

        text = re.sub(r"\b([IVXL]+)(ers?|res?|[eè]mes?|es?)\b", ordered, text)
        text = re.sub(rf"\b({_PARTS})\s([IVXL]+)\b", counted, text)
        return re.sub(r"\b([A-ZÀ-Þ][\wà-ÿ]+(?:-[A-ZÀ-Þ][\wà-ÿ]+)?)\s([IVX]{1,6})\b(?![.'-]\w)", counted, text)

    def _ordinal(self, number: int, ending: str) -> str:
        plural = "-plural" if ending.endswith("s") else ""
        gender = "feminine" if ending.startswith(("r", "èr")) else "masculine"
        return self.numbers.ordinal(number, f"ordinal-{gender}{plural}")

    def read_dates(self, text: str) -> str:
        text = re.sub(rf"\b1er\s(?=(?:{_MONTHS})\b)", "premier ", text)
        return super().read_dates(text)

    def date(self, match: re.Match[str], day: int, month: str, year: str) -> str:
        first = "premier" if day == 1 else self.numbers.cardinal(day)
        return " ".join(filter(None, (first, month, self.numbers.cardinal(year) if year else "")))

    def read_times(self, text: str) -> str:
        text = re.sub(
            r"(?<![\d:.,])([01]?\d|2[0-4])\s?[hH]\s?([0-5]\d)?(?![^\W_])",
            lambda m: self.time(m, int(m[1]), int(m[2] or 0)),
            text,
        )
        return super().read_times(text)

    def time(self, match: re.Match[str], hour: int, minute: int) -> str:
        hours = f"{self.numbers.cardinal(hour, 'cardinal-feminine')} heure{'s' * (hour > 1)}"
        return f"{hours} {self.numbers.cardinal(minute)}" if minute else hours

    def money(self, whole: int, cents: int, value: str, code: str) -> str:
        small = {"EUR": "centime", "USD": "cent", "GBP": "penny"}.get(code)
        if not small or "." in value and not cents and not value.endswith(".00"):
            return f"{self.cardinal(value)} {self.currency(code, value)}"
        if cents and not whole:
            return f"{self.numbers.cardinal(cents)} {small}{'s' * (cents > 1)}"
        gender = "feminine" if code == "GBP" else "masculine"
        words = f"{self.numbers.cardinal(whole, f'cardinal-{gender}')} {self.currency(code, str(whole))}"
        return f"{words} {self.numbers.cardinal(cents)}" if cents else words

    def currency(self, code: str, value: str) -> str:
        name = {"EUR": "euro", "USD": "dollar", "GBP": "livre", "CHF": "franc", "JPY": "yen"}.get(code)
        return name + "s" * (float(value) >= 2) if name else super().currency(code, value)

    def quantity(self, value: str, unit: str) -> str:
        name = self.unit(unit, value)
        gender = "feminine" if re.fullmatch(_FEMININE, name.split()[0]) else "masculine"
        form = "numbering" if "." in value else f"cardinal-{gender}"
        return f"{self.numbers.cardinal(value, form)} {name}"

    def read_ordinals(self, text: str) -> str:
        """Read `1er`, `1re`, `2e`, `3ème`, `21es`, `2nde`."""

        def replace(match: re.Match[str]) -> str:
            number, ending = int(match[1]), match[2]
            if ending.startswith("n"):
                return "second" + ending.removeprefix("nd")
            return self._ordinal(number, ending)

        return re.sub(r"(?<![\d.,])(\d{1,3})(ers?|[èe]?res?|[eè]mes?|es?|nde?s?)(?![^\W_])", replace, text)

    def read_ranges(self, text: str) -> str:
        """Read telephone numbers by pairs too: `01 23 45 67 89`."""
        return super().read_ranges(re.sub(r"(?<![\d.,])0\d(?:[ .-]\d\d){4}(?!\d)", self._pairs, text))

    def _pairs(self, match: re.Match[str]) -> str:
        pairs = re.findall(r"\d\d", match[0])
        return ", ".join(self.numbers.digits(pair) if pair[0] == "0" else self.numbers.cardinal(pair) for pair in pairs)

    def fraction(self, match: re.Match[str]) -> str:
        top, bottom = int(match[1]), int(match[2])
        if bottom not in _FRACTIONS or not top:
            return f"{match[1]} sur {match[2]}"
        name = _FRACTIONS[bottom]
        words = f"{self.numbers.cardinal(top)} {name if name.endswith('s') or top == 1 else name + 's'}"
        return f"et {words}" if re.search(r"\d\s$", match.string[: match.start()]) else words

    def loose_number(self, match: re.Match[str], value: str) -> str:
        following = re.match(r"\s([^\W\d_]+)", match.string[match.end() : match.end() + 40])
        if "." not in value and following and re.fullmatch(_FEMININE, following[1]):
            return self.numbers.cardinal(value, "cardinal-feminine")
        return self.cardinal(value)
