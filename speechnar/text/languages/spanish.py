"""Normalize Spanish: gender of numbers, ordinals, dates, times, euros and céntimos, abbreviations, kings and centuries.

Source: Real Academia Española, Ortografía de la lengua española, 2010, chapter 8 (numerals, dates, times of day), and
Nueva gramática de la lengua española, 2009, chapter 21 (shortening of `uno`, agreement of hundreds, ordinals of kings).
"""

from __future__ import annotations

import re

from speechnar.text.languages.normalizer import Normalizer
from speechnar.text.roman_numerals import value

_MONTHS = "enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|setiembre|octubre|noviembre|diciembre"
_QUEENS = "Isabel|María|Juana|Catalina|Cristina|Margarita|Victoria|Urraca|Sofía|Ana"
_PARTS = "siglos?|capítulos?|tomos?|volumen|volúmenes|título|acto|congreso|fase|edición|Congreso|Siglos?|Capítulo|Tomo"
_MASCULINE_IN_A = "días?|mapas?|planetas?|poetas?|climas?|\\w+(?:ema|oma|ama|ista)s?"
_FEMININE = (
    "veces|vez|noches?|tardes?|partes?|mujer(?:es)?|clases?|calles?|ley(?:es)?|torres?|\\w+(?:ción|sión|dad|tud)(?:es)?"
)
_MASCULINE = "\\w{2,}[oe]s|\\w{2,}o|\\w+(?:or|ón|al|el|il)|días?"
_NOT_COUNTED = frozenset(
    "para hasta contra cada esta esa nada era estaba había hacia la las entre como sobre son los es por con en"
    " sin".split()
)
"""Words after a number that are no nouns."""
_FRACTIONS = {2: "medio", 3: "tercio", 4: "cuarto", 5: "quinto", 6: "sexto", 8: "octavo", 10: "décimo"}


class Spanish(Normalizer):
    """Write out Spanish text as the words that a reader says."""

    abbreviations = {
        "Sr.": "señor", "Sra.": "señora", "Srta.": "señorita", "Sres.": "señores", "Dña.": "doña",
        "Dr.": "doctor", "Dra.": "doctora", "Prof.": "profesor", "Profa.": "profesora",
        "Ud.": "usted", "Uds.": "ustedes",
        "Vd.": "usted", "Vds.": "ustedes", "etc.": "etcétera", "p. ej.": "por ejemplo", "p. e.": "por ejemplo",
        "núm.": "número", "n.º": "número", "nº": "número", "pág.": "página", "págs.": "páginas", "p.": "página",
        "cap.": "capítulo", "vol.": "volumen", "art.": "artículo", "Avda.": "avenida", "Av.": "avenida", "C/": "calle",
        "c/": "calle", "Pza.": "plaza", "tel.": "teléfono", "Tel.": "teléfono",
        "tfno.": "teléfono", "a. C.": "antes de Cristo",
        "d. C.": "después de Cristo", "EE. UU.": "Estados Unidos", "EE.UU.": "Estados Unidos",
        "aprox.": "aproximadamente",
        "máx.": "máximo", "mín.": "mínimo", "ed.": "edición", "Cía.": "compañía", "S. A.": "S-A", "Sto.": "santo",
        "Sta.": "santa", "izq.": "izquierda", "dcha.": "derecha", "ptas.": "pesetas", "s.": "siglo", "vs.": "versus",
        "a. m.": "de la mañana", "p. m.": "de la tarde", "a.m.": "de la mañana", "p.m.": "de la tarde",
    }  # fmt: skip
    signs = {
        "%": "por ciento", "‰": "por mil", "&": "y", "+": "más", "=": "igual a", "×": "por", "÷": "entre",
        "@": "arroba", "<": "menor que", ">": "mayor que", "°": "grados", "#": "almohadilla", "€": "euros",
        "$": "dólares", "§": "sección", "²": "al cuadrado", "³": "al cubo", "≈": "aproximadamente", "±": "más menos",
    }  # fmt: skip
    before_numbers = frozenset({"p.", "cap.", "vol.", "art.", "ed.", "s."})
    words_in_capitals = frozenset({"UVI", "UCI", "IVA", "SIDA", "ONU", "OVNI", "PIN", "AVE", "TAC", "PYME"})
    web = ("punto", "arroba", "barra")
    between = ("a", "por")

    def expand_abbreviations(self, text: str) -> str:
        return super().expand_abbreviations(re.sub(r"\bD\.\s(?=[A-ZÁÉÍÓÚÑ][a-záéíóúñ])", "don ", text))

    def read_roman_numerals(self, text: str) -> str:
        """Read centuries and parts as numbers, kings up to the tenth by ordinals: `siglo XXI`, `Felipe VI`."""

        def part(match: re.Match[str]) -> str:
            number = value(match[2])
            return f"{match[1]} {self.numbers.cardinal(number)}" if number else match[0]

        def regnal(match: re.Match[str]) -> str:
            number = value(match[2])
            if not 0 < number <= 30:
                return match[0]
            if number > 10:
                return f"{match[1]} {self.numbers.cardinal(number)}"
            gender = "feminine" if re.fullmatch(_QUEENS, match[1]) else "masculine"
            return f"{match[1]} {self.numbers.ordinal(number, f'ordinal-{gender}')}"

        text = re.sub(rf"\b({_PARTS})\s([IVXL]+)\b", part, text)
        return re.sub(r"\b([A-ZÁÉÍÓÚÑ][a-záéíóúñ]+)\s([IVX]{1,6})\b(?![.'-]\w)", regnal, text)

    def read_dates(self, text: str) -> str:
        text = re.sub(r"\b([12]?\d|3[01])\s(?=de\s(?:" + _MONTHS + r")\b)", lambda m: self._day(int(m[1])) + " ", text)
        return super().read_dates(text)

    def _day(self, day: int) -> str:
        return self.numbers.cardinal(day)

    def date(self, match: re.Match[str], day: int, month: str, year: str) -> str:
        words = f"{self._day(day)} de {month}"
        return f"{words} de {self.numbers.cardinal(year)}" if year else words

    def read_times(self, text: str) -> str:
        return super().read_times(re.sub(r"(\d{1,2}:[0-5]\d)\s?(?:h|hs|hrs|horas)\b", r"\1", text))

    def time(self, match: re.Match[str], hour: int, minute: int) -> str:
        hours = self.numbers.cardinal(hour, "cardinal-feminine")
        if not minute:
            return f"{hours} en punto"
        return f"{hours} {'cero ' if minute < 10 else ''}{self.numbers.cardinal(minute)}"

    def money(self, whole: int, cents: int, value: str, code: str) -> str:
        small = {"EUR": "céntimo", "USD": "centavo", "GBP": "penique"}.get(code)
        if not small or "." in value and not cents and not value.endswith(".00"):
            return f"{self.cardinal(value)} {self.currency(code, value)}"
        amount = f"{self.numbers.cardinal(cents, 'cardinal-masculine')} {small}{'s' * (cents != 1)}"
        if cents and not whole:
            return amount
        gender = "feminine" if code == "GBP" else "masculine"
        words = f"{self.numbers.cardinal(whole, f'cardinal-{gender}')} {self.currency(code, str(whole))}"
        return f"{words} con {amount}" if cents else words

    def currency(self, code: str, value: str) -> str:
        name = {"EUR": "euro", "USD": "dólar", "GBP": "libra", "CHF": "franco", "JPY": "yen"}.get(code)
        if not name:
            return super().currency(code, value)
        return name if value == "1" else name + ("s" if name[-1] in "aeo" else "es")

    def quantity(self, value: str, unit: str) -> str:
        name = self.unit(unit, value)
        gender = "feminine" if name.split()[0].rstrip("s").endswith("a") else "masculine"
        if "." in value:
            return f"{self.cardinal(value)} {name}"
        return f"{self.numbers.cardinal(value, f'cardinal-{gender}')} {name}"

    def read_ordinals(self, text: str) -> str:
        """Read `1.º`, `2ª`, `3.er`."""

        def replace(match: re.Match[str]) -> str:
            form = {"a": "feminine", "ª": "feminine", "er": "masculine-adjective"}.get(match[2], "masculine")
            return self.numbers.ordinal(match[1], f"ordinal-{form}")

        return re.sub(r"(?<![\d.,])(\d{1,3})\.?(º|ª|er|a|o)(?![^\W\d_])", replace, text)

    def fraction(self, match: re.Match[str]) -> str:
        top, bottom = int(match[1]), int(match[2])
        if bottom not in _FRACTIONS or not top:
            return f"{match[1]} partido por {match[2]}"
        words = f"{self.numbers.cardinal(top, 'cardinal-masculine')} {_FRACTIONS[bottom]}{'s' * (top > 1)}"
        if not re.search(r"\d\s$", match.string[: match.start()]):
            return words
        return "y medio" if words == "un medio" else f"y {words}"

    def loose_number(self, match: re.Match[str], value: str) -> str:
        following = re.match(r"\s([^\W\d_]+)", match.string[match.end() : match.end() + 40])
        if not following or "." in value or following[1] in _NOT_COUNTED:
            return self.cardinal(value)
        noun = following[1]
        in_a = re.fullmatch(r"\w{2,}as?", noun) and not re.fullmatch(_MASCULINE_IN_A, noun)
        if in_a or re.fullmatch(_FEMININE, noun):
            return self.numbers.cardinal(value, "cardinal-feminine")
        counted = re.fullmatch(_MASCULINE, noun) or re.fullmatch(_MASCULINE_IN_A, noun)
        return self.numbers.cardinal(value, "cardinal-masculine") if counted else self.cardinal(value)
