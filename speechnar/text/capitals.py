"""Read words in capitals: lower shouting, say acronyms as words, and leave in capitals what is spelled.

Words that are written with signs or capitals inside are read here too: formulas, `camelCase`, stutters, the letter `a`.
"""

from __future__ import annotations

import re

_SAID = {
    word: word.capitalize()
    for word in """AIDS AWOL BAFTA BIOS CAPTCHA CERN COVID CRISPR DARPA FEMA FIFA FOMO GIF HIPAA IKEA INTERPOL ISIS
    LASER LEGO LIDAR
    MENSA MIDI NAFTA NASA NASCAR NASDAQ NATO NIMBY NORAD OPEC OSHA PETA POTUS RADAR SARS SCOTUS SCUBA SIDS
    SONAR SWAT TASER UEFA UNESCO UNICEF YAML YOLO ZIP""".split()
}
_SAID |= {word: word.lower() for word in "RAM ROM PIN SIM LAN WAN DOS LOL".split()}
_SAID |= {
    "OK": "Okay", "JPEG": "J peg", "JPG": "J peg", "JSON": "Jason", "ASCII": "askey", "WYSIWYG": "wizzywig",
    "IEEE": "I triple E", "NAACP": "N double A C P", "WWII": "World War Two", "WWI": "World War One", "SCSI": "scuzzy",
    "AAA": "triple A", "GUI": "gooey", "CRUD": "crud", "NGINX": "engine X",
}  # fmt: skip
ORDINARY = frozenset(
    """a about after again all alone also always am an and any are as ask away back bad be because been before best
    better big both bring but buy by call came can car close cold come could day did do does done door down each
    else end even ever every exit extra fact few find fire first for found free friend from full fun gave get
    give go god going gone good got great had happy hard has have he hear help her here him his home hot how i
    if in into is it its just keep kind knew know last late least leave left less let life like little live long
    look lost lot love made make man many may me mean men might mine more most much must my name near need never
    new news next nice night no none nor not nothing now of off often oh old on once one only open or other our
    out over own part past people place please poor put ran read ready real really right run safe said sale same
    save saw say see seen self sell send set she should show side sit slow so sold some soon still stop such
    sure take talk tell than thank that the their them then there these they thing think this those time to
    today told too took top true try turn two up us use used very wait walk want warn was watch water way we
    well went were what when where which while who why wide will win wish with won word work world would wow
    wrong yeah year yes yet you your""".split()
)
_INITIALISMS = frozenset("AM PM IT US WHO ACT SAT LED GOP CEO CIA FBI USA TV UK EU UN DC PC NBA NFL BBC CNN".split())
_SPELLED = frozenset("ASPCA LGBTQIA".split())  # else taken for words
_KNOWN_LOWER = frozenset("api cd cpu css dvd faq gpu html pdf php png sql tv uk uri url usa usb xml http https".split())
_SOUNDS = frozenset("hm m sh br gr pft pst tsk nth z mr mrs ms dr st jr sr vs th nd rd".split())

_LOWER = re.compile(rf"(?<![\w'.])({'|'.join(_KNOWN_LOWER)})(s?)(?![\w'])")
_SEGMENT = re.compile(r"[^.?!]+")
_CAPITALS = re.compile(r"(?<![\w'])([A-Z]{2,})('?s|'S)?(?!\w|'[a-z]{2})")
_CONSONANTS = re.compile(r"(?<![\w'.])[b-df-hj-np-tv-xz]{2,5}(?![\w'])")
_CAMEL = re.compile(r"(?<![\w'])(?!(?:Mc|Mac|De|Le|La|Di|Du|Van|Von|Fitz|O')[A-Z][a-z]+\b)[A-Za-z]*[a-z][A-Z]\w*")
ELEMENTS = frozenset(
    """H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb
    Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb
    Bi Po At Rn Fr Ra Ac Th Pa U Np Pu""".split()
)
_FORMULA = re.compile(r"(?<![\w'-])(?:[A-Z][a-z]?){2,8}(?![\w'])")
_NO_FORMULA = re.compile("[A-Z]+s?$|HeLa|NaN|CoV|PoC|BSc|CoOp|NoOp")
_JARGON_SAID = {
    "stdin": "standard in", "stdout": "standard out", "stderr": "standard error", "nginx": "engine X",
    "pH": "P H", "argv": "arg V", "argc": "arg C",
}  # fmt: skip
_JARGON = re.compile(rf"(?<![\w'.-])(?:{'|'.join(_JARGON_SAID)})(?![\w'-])")
_LETTER_A = re.compile(
    r"a(?<![\w']a)(?=[.,;:?!)]| (?:is|was|in|and|or|as|on|has|equals|to z)\b|(?:, |,? and |,? or )b\b)"
    r"(?! (?:in|on) the)"
    r"|(?<=\b[Ll]etter )a$|^a$"
)
_STUTTER = re.compile(r"(?i)(?<![\w'-])(?:([a-hj-z]|[csptw]h|qu)-)(?:\1-)*(?=(\1[a-z']+))")
_NO_STUTTER = frozenset(
    "test tests boy boys girl girls class clamp day section sections shaped top table shirt".split()
)
_STUTTERED = {"c": "k", "q": "kw", "qu": "kw", "x": "z", "a": "", "e": "", "o": "", "u": ""}


def lower_shouting(text: str) -> str:
    """Lower sentences that are wholly in capitals, unless they are mere strings of initialisms."""
    if not re.search("[A-Z]{3}", text):
        return text
    return _SEGMENT.sub(lambda m: _lowered(m[0]) if _is_shouted(m[0]) else m[0], text)


def _is_shouted(segment: str) -> bool:
    words = re.findall(r"[A-Za-z']+", segment)
    return (
        not any(c.islower() for c in segment)
        and sum(len(word) > 1 for word in words) > 1
        and any("'" in word or word.lower() in ORDINARY and word not in _INITIALISMS for word in words)
    )


def _lowered(segment: str) -> str:
    def lower(match: re.Match[str]) -> str:
        word = match[0]
        if word.startswith("I'"):
            return "I" + word[1:].lower()
        return word if word == "I" or word in _INITIALISMS and word.lower() not in ORDINARY else word.lower()

    return re.sub(r"[A-Z']+", lower, segment)


def read_capitals(text: str) -> str:
    """Read acronyms and shouted words, keep what is spelled in capitals, and take apart `camelCase`."""
    text = re.sub(r"\b[Ww][Ii]-?[Ff][Ii]\b", "wifi", text)
    text = _FORMULA.sub(_formula, text)
    text = _JARGON.sub(lambda m: _JARGON_SAID[m[0]], text)
    text = _LETTER_A.sub("A", text)
    if "-" in text:
        text = _STUTTER.sub(_stutter, text)
    text = re.sub(r"\b(Ph|B|M|D|LL|Ed)([DAS]c?|Phil|Ed|Eng|B)(s?)\b", _degree, text)
    text = _CAPITALS.sub(_acronym, text)
    text = _CAMEL.sub(_camel, text)
    text = _LOWER.sub(lambda m: m[1].upper() + m[2], text)
    return _CONSONANTS.sub(lambda m: m[0] if _once(m[0]) in _SOUNDS else m[0].upper(), text)


def _once(word: str) -> str:
    """Return a word with every letter once where it is repeated: `shhh` is `sh`."""
    return re.sub(r"(.)\1+", r"\1", word)


def _formula(match: re.Match[str]) -> str:
    """Spell a chemical formula: `NaCl` is `N A C L`."""
    symbols = re.findall("[A-Z][a-z]?", match[0])
    if _NO_FORMULA.match(match[0]) or not all(symbol in ELEMENTS for symbol in symbols):
        return match[0]
    return " ".join(match[0].upper())


def _stutter(match: re.Match[str]) -> str:
    """Read `B-but` as `buh-but`: the sound of the letter, as often as it is written."""
    if match[2].lower() in _NO_STUTTER:
        return match[0]
    sound = match[1].lower()
    said = _STUTTERED.get(sound, sound) + "uh"
    times = match[0].count("-")
    return "-".join([_cased(said, match[1])] + [said] * (times - 1)) + "-"


def _cased(word: str, like: str) -> str:
    return word.capitalize() if like[0].isupper() else word


def _degree(match: re.Match[str]) -> str:
    letters = match[1] + match[2]
    return letters.upper() + match[3] if not letters.isupper() else match[0]


def _acronym(match: re.Match[str]) -> str:
    word, ending = match[1], (match[2] or "").lower()
    if match[2] == "'S" and word.lower() in ORDINARY:
        return match[0].lower()  # IT'S
    stretched = re.sub(r"(.)\1{2,}", r"\1", word)  # YESSSS
    if word in _SAID:
        return _SAID[word] + ending
    if word in _SPELLED or word in _INITIALISMS:
        return word + ending
    if stretched.lower() in ORDINARY or _is_pronounceable(stretched):
        return word.lower() + ending
    return word + ending


def _is_pronounceable(word: str) -> bool:
    """Tell whether letters in capitals look like a word: four of them like `SALE` or `STOP`, more like `OPENING`."""
    if len(word) < 5:
        return re.fullmatch("(?=.{4})[^AEIOU]{1,2}[AEIOU][^AEIOU]{1,2}E?", word) is not None
    return re.search("[AEIOU]", word) is not None and re.search("[^AEIOUY]{4}|^[^AEIOUY]{3}", word) is None


def _camel(match: re.Match[str]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", match[0])
