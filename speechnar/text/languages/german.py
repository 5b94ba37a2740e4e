"""Normalize German: ordinals in their case, times, years by the hundred, money, abbreviations, regnal numbers.

The case of an ordinal is read from the words before it: `der 2. Weltkrieg` is `der zweite`, `in der 2. Klasse` is
`in der zweiten`, and a date without an article is `dritter Mai`.

Source: Duden, Die Grammatik, 9th edition 2016, "Flexion der Adjektive" (endings after articles), "Die Zahladjektive".
"""

from __future__ import annotations

import re

from speechnar.text.languages.normalizer import NUMBER, Normalizer
from speechnar.text.match_context import before
from speechnar.text.roman_numerals import value

_MONTHS = "Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
_SHORT_MONTHS = {
    "Jan": "Januar", "Feb": "Februar", "Mrz": "März", "Apr": "April", "Jun": "Juni", "Jul": "Juli", "Aug": "August",
    "Sep": "September", "Sept": "September", "Okt": "Oktober", "Nov": "November", "Dez": "Dezember",
}  # fmt: skip
_DATIVE = (
    "am|im|vom|zum|zur|beim|dem|den|des|einem|einen|einer|eines|diesem|diesen|dieser|jedem|jeden|ihrem|ihren|seinem|seinen"
    "|meinem|meinen|unserem|unseren|bis|ab|seit|vor|nach|ins|die letzten|die ersten"
)
"""Words after which an adjective ends in -en."""
_PREPOSITIONS = (
    "in|an|auf|mit|von|zu|bei|nach|aus|seit|vor|unter|über|neben|zwischen|während|wegen|trotz|laut|anlässlich|ab"
)
_ARTICLES = (
    f"{_DATIVE}|der|die|das|dies|diese|dieses|jede|jedes|ein|kein|mein|sein|ihr|unser|eine|seine|ihre|meine|unsere"
)
_ORDERED = (
    "Jahrhunderts?|Jahrtausends?|Klasse|Platz|Etage|Stock|Stockwerk|Kapitel|Weltkriegs?|Auflage|Liga|Bundesliga|Semester"
    "|Tag|Woche|Monat|Mal|Geburtstag|Lebensjahr|Spieltag|Obergeschoss|Runde|Minute|Akt|Satz|Teil|Band|Advent|Symphonie"
    "|Sinfonie|Preis|Halbzeit|Sitzung|Quartal|Reihe|Stelle|Mai|Version"
)
"""Nouns that an ordinal stands before without an article."""
_FEMININE = (
    "Stunden?|Minuten?|Sekunden?|Wochen?|Tonnen?|Millionen?|Milliarden?|Million|Milliarde|Tafel|Person|Frau|Seite|Stimme"
    "|Stadt|Uhrzeit|Nacht|Flasche|Tasse|Meile|Etage|Runde|Klasse|Mark|Frage|Antwort"
)
_QUEENS = "Elisabeth|Katharina|Margarethe|Maria|Beatrix|Viktoria|Victoria|Christina|Anna|Isabella|Johanna"
_WEEKDAYS = {
    "Mo": "Montag", "Di": "Dienstag", "Mi": "Mittwoch", "Do": "Donnerstag", "Fr": "Freitag", "Sa": "Samstag",
    "So": "Sonntag",
}  # fmt: skip
_TIMES = {"Std": "Stunde", "Min": "Minute", "Sek": "Sekunde"}
_FRACTIONS = {2: "halb", 3: "drittel", 4: "viertel", 5: "fünftel", 6: "sechstel", 8: "achtel", 10: "zehntel"}
_AGE_OF_YEARS = range(1100, 2000)  # years of which the hundreds are counted


class German(Normalizer):
    """Write out German text as the words that a reader says."""

    abbreviations = {
        "z. B.": "zum Beispiel", "d. h.": "das heißt", "u. a.": "unter anderem", "u. s. w.": "und so weiter",
        "usw.": "und so weiter", "usf.": "und so fort", "etc.": "et cetera", "bzw.": "beziehungsweise", "ca.": "circa",
        "vgl.": "vergleiche", "evtl.": "eventuell", "ggf.": "gegebenenfalls", "inkl.": "inklusive",
        "sog.": "sogenannte",
        "z. T.": "zum Teil", "i. d. R.": "in der Regel", "o. Ä.": "oder Ähnliches", "u. Ä.": "und Ähnliches",
        "z. Zt.": "zur Zeit", "z. Z.": "zur Zeit", "m. E.": "meines Erachtens", "u. U.": "unter Umständen",
        "v. a.": "vor allem", "s. o.": "siehe oben", "s. u.": "siehe unten", "Nr.": "Nummer", "Nrn.": "Nummern",
        "Dr.": "Doktor", "Prof.": "Professor", "Hr.": "Herr", "Hrn.": "Herrn", "Fr.": "Frau", "Str.": "Straße",
        "St.": "Sankt", "Bd.": "Band", "Kap.": "Kapitel", "Abs.": "Absatz", "Art.": "Artikel", "Abb.": "Abbildung",
        "Tel.": "Telefon", "Std.": "Stunden", "Min.": "Minuten", "Sek.": "Sekunden", "Jh.": "Jahrhundert",
        "v. Chr.": "vor Christus", "n. Chr.": "nach Christus", "geb.": "geboren", "gest.": "gestorben",
        "Mio.": "Millionen", "Mrd.": "Milliarden", "Tsd.": "Tausend", "max.": "maximal", "min.": "minimal",
        "Hbf.": "Hauptbahnhof", "Hbf": "Hauptbahnhof", "GmbH": "G-m-b-H", "Dipl.-Ing.": "Diplomingenieur",
        "bspw.": "beispielsweise", "Ing.": "Ingenieur", "Mag.": "Magister", "vs.": "versus", "Jr.": "Junior",
        "ff.": "folgende",
    }  # fmt: skip
    signs = {
        "%": "Prozent", "‰": "Promille", "&": "und", "+": "plus", "=": "gleich", "×": "mal", "÷": "geteilt durch",
        "§§": "Paragrafen", "§": "Paragraf", "@": "at", "<": "kleiner als", ">": "größer als", "°": "Grad",
        "#": "Raute", "€": "Euro", "$": "Dollar", "²": "hoch zwei", "³": "hoch drei", "≈": "ungefähr",
        "±": "plus minus",
    }  # fmt: skip
    before_numbers = frozenset({"Art.", "Bd.", "Kap.", "Abs.", "Abb."})
    words_in_capitals = frozenset({"UNO", "TÜV", "PIN", "AIDS", "GAU", "SIM", "ZIP", "RAM"})
    spelled_words = frozenset({"ADAC", "AOK", "HUK", "SUV"})
    web = ("Punkt", "at", "Schrägstrich")

    def expand_abbreviations(self, text: str) -> str:
        text = re.sub(r"\b([A-ZÄÖÜ]?[a-zäöüß]+)str\.(?=\s|,|$)", r"\1straße", text)  # Hauptstr.
        text = re.sub(rf"(?<=\d\.)(\s?)({'|'.join(_SHORT_MONTHS)})\.?(?=\s|$|,)", self._month, text)
        days = "|".join(_WEEKDAYS)
        text = re.sub(
            rf"\b({days})\.?\s?[–-]\s?({days})\b\.?", lambda m: f"{_WEEKDAYS[m[1]]} bis {_WEEKDAYS[m[2]]}", text
        )
        text = re.sub(rf"\b({days})\.(?=,)", lambda m: _WEEKDAYS[m[1]], text)
        text = re.sub(r"(?<![\d.,])1\sMio\.", "eine Million", text)
        text = re.sub(r"(?<![\d.,])1\sMrd\.", "eine Milliarde", text)
        text = re.sub(r"(?<![\d.,])1\s(Std|Min|Sek)\.", lambda m: f"eine {_TIMES[m[1]]}", text)
        text = re.sub(r"(?<=\d)\s?min\.(?=\s*$)", " Minuten.", text)
        text = re.sub(r"(?<=\d)\s?min\.", " Minuten", text)
        return super().expand_abbreviations(text)

    @staticmethod
    def _month(match: re.Match[str]) -> str:
        return f" {_SHORT_MONTHS[match[2]]}"

    def read_roman_numerals(self, text: str) -> str:
        """Read the number of a king: `Ludwig XIV.` is `Ludwig der Vierzehnte`."""

        def replace(match: re.Match[str]) -> str:
            number = value(match[2])
            if not number or number > 30:
                return match[0]
            case = re.search(r"(?:\b(?:von|mit|unter|nach|bei|zu|an)\s(?:\w+\s)?)$", before(match))
            article, form = ("dem", "n") if case else ("der", "")
            if re.fullmatch(_QUEENS, match[1]):
                article = "der" if case else "die"
            word = self.numbers.ordinal(number, f"ordinal-{form}" if form else "ordinal")
            end = "" if match.string[match.end() :].strip() else "."
            return f"{match[1]} {article} {word.capitalize()}{end}"

        return re.sub(r"\b([A-ZÄÖÜ][a-zäöüß]+(?: Paul)?)\s([IVX]{1,6})\.(?!\w)", replace, text)

    def read_dates(self, text: str) -> str:
        text = super().read_dates(text)
        text = re.sub(
            rf"(?<![\d.,])(\d{{1,2}})\.\s?({_MONTHS})(?:\s(\d{{4}})(?![\d.,]\d))?",
            lambda m: self.date(m, int(m[1]), m[2], m[3] or ""),
            text,
        )
        return re.sub(  # 24.12. without a year
            r"(?<![\d.,])([0-3]?\d)\.\s?([01]?\d)\.(?=\s|$|[,;:!?)–-])",
            lambda m: self._date(m, m[1], m[2], "") + "." * (not m.string[m.end() :].strip()),
            text,
        )

    def date(self, match: re.Match[str], day: int, month: str, year: str) -> str:
        left = before(match)
        end = " bis " if re.search(r"\d\.?\s?[–-]\s?$", left) else ""
        words = [end + self.ordinal(left, day, "r"), month]
        return " ".join([*words, self.numbers.year(year)] if year else words)

    def ordinal(self, left: str, number: int, alone: str) -> str:
        """Return an ordinal with the ending that the words to its left ask for; `alone` is that without an article."""
        left = re.sub(r"(?:\d{1,3}\.,?\s(?:und|oder|bis)?\s?)+$", "", left)  # the first of several: `am 3. und 4. Mai`
        if re.search(rf"(?:^|[\s(])(?:{_DATIVE})\s$", left, re.I):
            form = "n"
        elif re.search(rf"(?:^|\s)(?:{_PREPOSITIONS})\sder\s$", left, re.I):
            form = "n"
        elif re.search(r"(?:^|\s)(?:der|die|das|diese|eine|seine|ihre|meine|unsere|jede)\s$", left, re.I):
            form = ""
        elif re.search(r"(?:^|\s)(?:als|ein|kein|mein|sein|ihr|unser)\s$", left, re.I):
            form = "r"
        elif found := re.search(r"\b\w+(ten|te|ter|sten)\s(?:und|oder|bis|bis zum)\s$|[–-]\s?$", left):
            form = {"ten": "n", "sten": "n", "te": "", "ter": "r"}.get(found[1] or "ten", "n")
        else:
            form = alone
        return self.numbers.ordinal(number, f"ordinal-{form}" if form else "ordinal")

    def read_ordinals(self, text: str) -> str:
        """Read a number with a full stop that is no end of a sentence."""

        def replace(match: re.Match[str]) -> str:
            left, following = before(match), match[2]
            led = re.search(rf"(?:^|[\s(])(?:{_ARTICLES})\s$", left, re.I)
            listed = re.search(r"\b\w+(?:te|ten|ter)\s(?:und|oder|bis)\s$", left)
            ordered = re.match(rf"(?:{_ORDERED})\b", following)
            goes_on = following[:1].islower()
            if not (led or listed or ordered or goes_on):
                return match[0]
            return f"{self.ordinal(left, int(match[1]), '')} {following}"

        text = re.sub(r"(?<![\d.,])(\d{1,3})\.(?:/|\s–\s|–)(?=\d{1,3}\.\s)", r"\1. und ", text)
        done = ""
        while done != text:  # one may lead to the next: `am 3. und 4. Mai`
            done, text = text, re.sub(r"(?<![\d.,:])(\d{1,3})\.\s+([^\W\d_]+)", replace, text)
        led = rf"(?:^|(?<=[\s(]))({_ARTICLES})\s(\d{{1,3}})(?=\.(?:\s*$|\s*[,;:!?]))"  # `Heute ist der 3.`
        return re.sub(led, lambda m: f"{m[1]} {self.ordinal(f' {m[1]} ', int(m[2]), '')}", text, flags=re.I)

    def read_times(self, text: str) -> str:
        text = re.sub(
            r"(?<![\d:.,])([01]?\d|2[0-4])\s?[–-]\s?([01]?\d|2[0-4])\sUhr\b",
            lambda m: f"{self._hour(m[1])} bis {self._hour(m[2])} Uhr",
            text,
        )
        text = re.sub(
            r"(?<![\d:.,])([01]?\d|2[0-4])(?:[:.]([0-5]\d))?\s?(?:Uhr|h\b)(?=\W|$)",
            lambda m: self.time(m, int(m[1]), int(m[2] or 0)),
            text,
        )
        return super().read_times(text)

    def time(self, match: re.Match[str], hour: int, minute: int) -> str:
        return f"{self._hour(hour)} Uhr {self.cardinal(str(minute)) if minute else ''}".strip()

    def _hour(self, hour: str | int) -> str:
        return self.numbers.cardinal(int(hour), "cardinal-masculine")

    def money(self, whole: int, cents: int, value: str, code: str) -> str:
        small = {"EUR": "Cent", "USD": "Cent", "GBP": "Pence"}.get(code)
        if small and cents and not whole:
            return f"{self.numbers.cardinal(cents, 'cardinal-masculine')} {small}"
        if "." in value and not (cents or value.endswith(".00")):
            return f"{self.cardinal(value)} {self.currency(code, value)}"
        words = f"{self.numbers.cardinal(whole, 'cardinal-masculine')} {self.currency(code, str(whole))}"
        return f"{words} {self.cardinal(str(cents))}" if cents else words

    def currency(self, code: str, value: str) -> str:
        names = {"EUR": "Euro", "USD": "Dollar", "GBP": "Pfund", "CHF": "Franken", "JPY": "Yen"}
        return names.get(code) or super().currency(code, value)

    def read_money(self, text: str) -> str:
        text = re.sub(rf"([€$£])\s?({NUMBER})\s(Millionen|Milliarden|Tausend)", r"\2 \3 \1", text)
        return super().read_money(text)

    def quantity(self, value: str, unit: str) -> str:
        name = self.unit(unit, value)
        if value.lstrip("-") != "1":
            return f"{self.cardinal(value)} {name}"
        gender = "feminine" if re.match(_FEMININE, name) else "masculine"
        return f"{self.numbers.cardinal(value, f'cardinal-{gender}')} {name}"

    def unit(self, sign: str, value: str) -> str:
        own = {"km/h": "Kilometer pro Stunde", "t": "Tonne" if value == "1" else "Tonnen", "°": "Grad"}
        return own.get(sign) or super().unit(sign, value)

    def read_ranges(self, text: str) -> str:
        """Read ranges, results, fractions and scales: `10–12`, `3:1`, `1/2`, `2x`."""
        text = re.sub(r"(?<![\d.,:])(\d{1,3}):(\d{1,3})(?![\d:])", r"\1 zu \2", text)
        text = re.sub(r"(?<![\d/.,])(\d{1,2})/(\d{1,2})(?![\d/])", self._fraction, text)
        text = re.sub(r"(?<=\d)\s?–\s?(?=\d)|(?<=[\d]{2})-(?=\d{2}\b)", " bis ", text)
        text = re.sub(r"(?<=\d)\s?[x×]\s?(?=\d)", " mal ", text)
        text = re.sub(r"(?<![\d.,])1(?=-?(?:mal|x)\b)", "ein", text)
        text = re.sub(r"(?<![\d.,])(\d{2})er(?=\b|-)", lambda m: f"{self.cardinal(m[1])}er", text)  # `90er Jahre`
        return super().read_ranges(re.sub(r"(?<=\d)x\b", "mal", text))

    def _fraction(self, match: re.Match[str]) -> str:
        top, bottom = int(match[1]), int(match[2])
        if bottom not in _FRACTIONS or not top:
            return f"{match[1]} durch {match[2]}"
        amount = re.search(r"\d\s$", before(match))
        name = _FRACTIONS[bottom]
        words = f"{self.numbers.cardinal(top, 'cardinal-masculine')} {name}"
        return f"und {words}" if amount else words

    def loose_number(self, match: re.Match[str], value: str) -> str:
        following = match.string[match.end() : match.end() + 40]
        plain = match[0].isdecimal()
        if plain and len(value) == 4 and int(value) in _AGE_OF_YEARS and not re.match(r"\s(?:Euro|Dollar)", following):
            return self.numbers.year(value)
        if value == "1" and (noun := re.match(r"\s([A-ZÄÖÜ][a-zäöüß]+)", following)):
            gender = "feminine" if re.fullmatch(_FEMININE, noun[1]) else "masculine"
            return self.numbers.cardinal(value, f"cardinal-{gender}")
        return self.cardinal(value)
