#!/usr/bin/env python3
"""Write sentences for the voice to speak, as people write them: with capitals, marks and digits.

    python local/texts.py OUT.txt [--tatoeba deu.txt] [--sentences N] [--templates N] [--words N]

OUT.txt gets a text a line: sentences of Tatoeba (the English side of a file of pairs, tab between them), half of them
with half of their words exchanged for any of the 30,000 most frequent; sentences of templates with numbers, amounts of
money, times, dates, names and questions; and single words and short commands.
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
COMMANDS = """Turn on the lights.|Turn off the kitchen light.|Set a timer for {m} minutes.|Play some music.|Stop.|Go.|Yes.
No.|Cancel.|Next.|Pause.|Louder.|Volume up.|Volume down.|Call {f}.|Open the door.|Close the window.|What time is it?
Set an alarm for {h} a.m.|Good morning.|Good night.|Thank you.|Help.|Start.|Continue.|Repeat that.|Call {f} {l}.
Remind me to call {f} on {d}.|What's the weather in {p}?|Add milk to the list.|Navigate to {p}.|Hello, {f}.|Bye.
I'd like a large cappuccino.|Can I get a double espresso with milk?|A small latte, please.|Two medium mochas.
Make me an americano with sugar.|Hey, computer!|Okay.|Erase.|Enter.|Left.|Right.|Up.|Down.|On.|Off""".replace("\n", "|")
TEMPLATES = """{t} {l} paid ${c} at {h}:{mm}, didn't {he}?|The {g} costs ${c}.|It cost ${k} in {y}.|{f} was born on {mo} {dd}, {y}.
We have {n} {th} and {n2} {th2}.|Meet me at {h}:{mm} on {d}.|The train leaves at {h}:{mm} p.m.|Call {f} at 555-{n4}.
In {y}, {f} {l} moved from {p} to {p2}.|{t} {l} and {t2} {l2} live in {p}.|Are you going to {p} on {d}?|How many {th} do you have?
It is {dd} degrees in {p} today.|About {pc}% of the {th} came from {p}.|The population grew by {pc}.{dg}% in {y}.
"I have {n} {th}," said {f}.|"Where is {f}?" asked {t} {l}.|Why did {f} leave {p}, and when?|Who is {t} {l}?
Chapter {n}.|Chapter {r}.|Page {n3}.|Number {n}.|Room {n3} is on the {o} floor.|He was the {o} of {n} {th}.|She lived to be {dd2}.
{f}, {f2} and {f3} went to {p}.|Did {f} call you on {d}, {mo} {dd}?|The war lasted from {y} to {y2}.|Oh, {f}! What have you done?
My number is {dg} {dg2} {dg3}, {dg4} {dg5} {dg6}.|The code is {n4}.|He earns ${k} a year.|That's {n} times {n2}.|It's {h} o'clock.
I'll be there by {h}.|Between {n} and {n2} {th} were sold.|Dear {f},|Yes, {f}, I know.|No, {t} {l} isn't here.|Well, what do you think?
The U.S. and {p} signed it in {y}.|{f}'s {g} is {n} years old.|{p}, {p2}, {p3}, and {p4}.|Over {n},000 people live there.
The year was {y}.|They won {dg} to {dg2}.|Take {dg} {th} and {dg2} {th2}.|Nearly {m2} million {th} were lost.|In the {y0}s, {p} was different.
Is it {h}:{mm} already?|Can you spell {l}?|{l}, {f}.|{f} {l}.|Mr. and Mrs. {l}|{d}, {mo} {dd}.|{p}, {mo} {dd}, {y}.""".replace("\n", "|")


def filled(template: str, rng: random.Random) -> str:
    """Return a template with something in place of each name in braces; numbers behind a name tell equal ones apart."""

    def ordinal(n: int) -> str:
        return f"{n}{'th' if 10 < n % 100 < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"

    year = rng.randint(1400, 2030) if rng.random() < 0.5 else rng.randint(1900, 2025)
    exact = {
        "m": rng.choice((1, 2, 5, 10, 15, 20, 25, 30, 45)), "mm": f"{rng.randrange(0, 60, 5):02d}", "h": rng.randint(1, 12),
        "dd": rng.randint(1, 28), "dd2": rng.randint(60, 104), "y": year, "y2": year + rng.randint(1, 15),
        "y0": rng.randrange(1700, 2020, 10), "c": f"{rng.randint(1, 300)}.{rng.randrange(5, 100, 5):02d}",
        "k": f"{rng.randint(1, 900)},{rng.randrange(0, 1000, 50):03d}", "n3": rng.randint(20, 999),
        "n4": rng.randint(1000, 9999), "pc": rng.randint(2, 99), "m2": rng.randint(2, 40), "o": ordinal(rng.randint(1, 31)),
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
    templates = [text for text in TEMPLATES.split("|") if text]
    commands = [text for text in COMMANDS.split("|") if text]
    texts += [filled(rng.choice(templates), rng) for _ in range(args.templates)]
    for _ in range(args.words):
        word = rng.choice(others[: rng.choice((300, 3000, 30_000))]).capitalize() + "."
        texts.append(filled(rng.choice(commands), rng) if rng.random() < 0.4 else word)
    rng.shuffle(texts)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


if __name__ == "__main__":
    main()
