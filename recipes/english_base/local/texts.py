#!/usr/bin/env python3
"""Write sentences for the voice to speak, as people write them: with capitals, marks and digits.

    python local/texts.py OUT.txt [--tatoeba deu.txt] [--sentences N] [--templates N] [--words N]

OUT.txt gets a text a line: sentences of Tatoeba (the English side of a file of pairs, tab between them), half of them
with half of their words exchanged for any of the 30,000 most frequent; sentences of templates with numbers, amounts of
money, times, dates, names and questions (templates.txt); and single words and short commands (commands.txt).
"""

import argparse
import random
import re
from pathlib import Path

from wordfreq import top_n_list

EXCHANGED = 0.5  # of the words of every second sentence
LENGTHS = (3, 22)  # words of a sentence

FIRST = """James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph
Jessica Thomas Sarah Charles Karen Christopher Lisa Daniel Nancy Matthew Betty Anthony Sandra Mark Margaret Donald
Ashley Steven Kimberly Andrew Emily Paul Donna Joshua Michelle Kenneth Carol Kevin Amanda Brian Melissa George Deborah
Timothy Stephanie Ronald Rebecca Jason Laura Edward Helen Jeffrey Sharon Ryan Cynthia Jacob Kathleen Nicholas Amy Gary
Angela Eric Anna Jonathan Ruth Larry Pamela Justin Nicole Scott Virginia Brandon Catherine Oliver Sofia Ahmed Priya
Hiroshi Ingrid Pierre Olga Carlos Fatima Leo Nora Felix Clara Hugo Alice Walter Edith Martha Ernest Philip""".split()
LAST = """Smith Johnson Williams Brown Jones Garcia Miller Davis Wilson Anderson Taylor Moore Jackson Martin Lee
Thompson White Harris Clark Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Green Adams Nelson
Baker Hall Campbell Mitchell Carter Roberts Turner Phillips Evans Parker Edwards Collins Stewart Morris Murphy Cook
Rogers Morgan Peterson Cooper Reed Bailey Bell Kelly Howard Ward Cox Richardson Wood Watson Brooks Bennett Gray Hughes
Price Sanders Myers Long Foster Powell Russell Sullivan Fisher Henderson Jordan Reynolds Hamilton Graham Kennedy Wallace
Chen Kim Patel Schmidt Rossi Novak Tanaka Silva Lindqvist Dubois O'Brien O'Connor McDonald""".split()
PLACES = """London Paris Berlin Chicago Boston Denver Seattle Dallas Houston Atlanta Toronto Sydney Dublin Madrid Rome
Vienna Tokyo Moscow Cairo Oxford Cambridge Manchester Glasgow Edinburgh Texas California Florida Ohio Virginia Nevada
Oregon Canada Mexico France Germany Italy Spain India China Japan Egypt Norway Sweden Ireland Scotland England Europe
Africa Asia America Australia Portland Memphis Detroit Pittsburgh Philadelphia Baltimore Cleveland Phoenix
Jerusalem Geneva Munich Hamburg Lisbon Prague Warsaw Budapest Athens Istanbul Bangkok Singapore Melbourne""".split()
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
THINGS = """books chairs tickets apples bottles boxes letters phones cars houses pages horses shirts cups keys tables
windows pictures stamps eggs cakes coins lamps shoes dogs songs minutes hours days weeks months years miles feet
pounds gallons people children students soldiers workers guests visitors members""".split()
GOODS = """coffee sandwich ticket book jacket lamp bicycle house car phone camera watch dinner hat ring table
painting guitar computer sofa bottle of wine cup of tea loaf of bread""".split()


def filled(template: str, rng: random.Random) -> str:
    """Return a template with something in place of each name in braces; numbers behind a name tell equal ones apart."""

    def ordinal(n: int) -> str:
        return f"{n}{'th' if 10 < n % 100 < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"

    year = rng.randint(1400, 2030) if rng.random() < 0.5 else rng.randint(1900, 2025)
    exact = {
        "m": rng.choice((1, 2, 5, 10, 15, 20, 25, 30, 45)), "h": rng.randint(1, 12),
        "mm": f"{rng.randrange(0, 60, 5):02d}",
        "dd": rng.randint(1, 28), "dd2": rng.randint(60, 104), "y": year, "y2": year + rng.randint(1, 15),
        "y0": rng.randrange(1700, 2020, 10), "c": f"{rng.randint(1, 300)}.{rng.randrange(5, 100, 5):02d}",
        "k": f"{rng.randint(1, 900)},{rng.randrange(0, 1000, 50):03d}", "n3": rng.randint(20, 999),
        "n4": rng.randint(1000, 9999), "pc": rng.randint(2, 99), "m2": rng.randint(2, 40),
        "o": ordinal(rng.randint(1, 31)),
        "r": rng.choice("I II III IV V VI VII VIII IX X XI XII".split()), "he": rng.choice(("he", "she", "they")),
    }  # fmt: skip
    lists = {
        "f": FIRST, "l": LAST, "p": PLACES, "mo": MONTHS, "d": DAYS, "th": THINGS, "g": GOODS,
        "t": ("Mr.", "Mrs.", "Dr.", "Miss", "Professor"), "dg": range(10),
    }  # fmt: skip

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name in exact:
            return str(exact[name])
        base = name.rstrip("0123456789")
        if base == "n":
            return str(rng.choice((rng.randint(2, 20), rng.randint(2, 99), rng.randint(100, 5000))))
        return str(rng.choice(lists[base]))

    return re.sub(r"\{(\w+)\}", replace, template)


def exchanged(text: str, others: list[str], rng: random.Random) -> str:
    """Return a sentence with some of its words exchanged; marks and capitals stay where they were."""

    def replace(match: re.Match[str]) -> str:
        if rng.random() >= EXCHANGED or match[0] == "I" or "'" in match[0]:
            return match[0]
        other = rng.choice(others)
        return other.capitalize() if match[0][0].isupper() else other

    return re.sub("[A-Za-z']+", replace, text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tatoeba", type=Path)
    parser.add_argument("--sentences", type=int, default=3000)
    parser.add_argument("--templates", type=int, default=1600)
    parser.add_argument("--words", type=int, default=800)
    args = parser.parse_args()
    rng = random.Random(0)
    others = [word for word in top_n_list("en", 30_000) if re.fullmatch("[a-z]{2,}", word)]
    texts: list[str] = []
    if args.tatoeba:
        lines = args.tatoeba.read_text(encoding="utf-8").splitlines()
        english = dict.fromkeys(line.split("\t")[0].replace("’", "'") for line in lines)
        low, high = LENGTHS
        fit = [text for text in english if text.isascii() and low <= len(text.split()) <= high]
        for number, text in enumerate(rng.sample(fit, min(args.sentences, len(fit)))):
            texts.append(exchanged(text, others, rng) if number % 2 else text)
    here = Path(__file__).parent
    templates, commands = ((here / f"{name}.txt").read_text().splitlines() for name in ("templates", "commands"))
    texts += [filled(rng.choice(templates), rng) for _ in range(args.templates)]
    for _ in range(args.words):
        word = rng.choice(others[: rng.choice((300, 3000, 30_000))]).capitalize() + "."
        texts.append(filled(rng.choice(commands), rng) if rng.random() < 0.4 else word)
    rng.shuffle(texts)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


if __name__ == "__main__":
    main()
