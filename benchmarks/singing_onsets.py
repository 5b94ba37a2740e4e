"""Measure how well `evaluate singing` finds the onsets of vowels, on speech whose onsets are known.

    python benchmarks/singing_onsets.py TEXTS [--asked 0.05] [--late 0.03]

TEXTS has `name<TAB>text` lines, such as `list.tsv` of `speechnar evaluate singing --out DIR`. Festival speaks them in
pieces of ten words, at 1.4 times its usual lengths, with phones of known times. Each vowel is then asked for up to
`--asked` seconds from where it is, and all of them `--late` seconds after. Printed are the errors of what is found in
ms, by the class of the phone before: mean, SD, 95th percentile of the absolute error; and how far what is found moves
with what was asked for (0: not at all, 1: as far).

Needs festival and an English voice, such as Debian's packages festival and festvox-kallpc16k.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from speechnar import audio
from speechnar.evaluate.quality.onsets import HOP, LATE, RATE, align, class_of, features_of, sounds_of
from speechnar.score.lyrics import is_vowel
from speechnar.score.timing import TimedPhone

WORDS = 10
IPA = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "axr": "ɚ", "ay": "aɪ", "b": "b", "ch": "t͡ʃ",
    "d": "d", "dh": "ð", "eh": "ɛ", "el": "l", "em": "m", "en": "n", "er": "ɚ", "ey": "eɪ", "f": "f", "g": "ɡ",
    "hh": "h", "hv": "h", "ih": "ɪ", "iy": "i", "jh": "d͡ʒ", "k": "k", "l": "l", "m": "m", "n": "n", "ng": "ŋ",
    "ow": "oʊ", "oy": "ɔɪ", "p": "p", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t", "th": "θ", "uh": "ʊ", "uw": "u",
    "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ",
}  # fmt: skip
PIECE = """(let ((utt (utt.synth (Utterance Text "{text}"))) (file (fopen "{labels}" "w")))
  (mapcar (lambda (s) (format file "%f %s\\n" (item.feat s "end") (item.name s))) (utt.relation.items utt 'Segment))
  (fclose file)
  (utt.save.wave utt "{wav}" 'riff))
"""


def speak(texts: list[str], folder: Path) -> list[tuple[np.ndarray, int, list[TimedPhone]]]:
    """Return audio, its rate and the phones of each text; pauses are gaps between phones."""
    script = "(Parameter.set 'Duration_Stretch 1.4)\n"
    for n, text in enumerate(texts):
        plain = "".join(c for c in text if c.isascii() and c not in '"\\')
        script += PIECE.format(text=plain, labels=folder / f"{n}.lab", wav=folder / f"{n}.wav")
    (folder / "speak.scm").write_text(script, encoding="ascii")
    subprocess.run(["festival", "-b", folder / "speak.scm"], check=True)
    spoken = []
    for n in range(len(texts)):
        rows = [line.split() for line in (folder / f"{n}.lab").read_text(encoding="ascii").splitlines()]
        ends = [float(end) for end, _ in rows]
        phones = [
            TimedPhone(IPA[name], begin, end, 0, 0)
            for (_, name), begin, end in zip(rows, [0.0, *ends], ends)
            if name in IPA and end > begin
        ]
        spoken.append((*audio.read(folder / f"{n}.wav"), phones))
    return spoken


def asked_for(phones: list[TimedPhone], away: float, late: float, rng: np.random.Generator) -> list[TimedPhone]:
    """Return phones at the times of a score that asks for each vowel elsewhere; what is between goes along."""
    last = phones[-1].end
    known = np.array([p.onset for p in phones if is_vowel(p.phone)])
    moved = np.maximum.accumulate(np.clip(known + late + rng.uniform(-away, away, len(known)), 0.02, last))
    times = [np.interp(t, [0.0, *known, last], [0.0, *moved, last]) for p in phones for t in (p.onset, p.end)]
    return [TimedPhone(p.phone, float(a), float(b), 0, 0) for p, a, b in zip(phones, times[::2], times[1::2])]


def main() -> None:
    """Print the errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--pieces", type=int, default=50, help="at most (50)")
    parser.add_argument("--asked", type=float, default=0.05, help="seconds (0.05)")
    parser.add_argument("--late", type=float, default=0.0, help="seconds (0)")
    args = parser.parse_args()
    words = [line.partition("\t")[2].split() for line in args.texts.read_text(encoding="utf-8").splitlines()]
    texts = [" ".join(w[n : n + WORDS]) for w in words for n in range(0, len(w) - WORDS + 1, 2 * WORDS)]
    with tempfile.TemporaryDirectory() as folder:
        spoken = speak(texts[: args.pieces], Path(folder))
    rng = np.random.default_rng(0)
    songs = [sounds_of(asked_for(p, args.asked, args.late, rng), features_of(w, r), 0.0) for w, r, p in spoken]
    errors: dict[str, list[tuple[float, float]]] = {}
    for (_, _, phones), song, edges in zip(spoken, songs, align(songs)):
        for n, phone in enumerate(phones):
            if is_vowel(phone.phone):
                silent = n == 0 or phones[n - 1].end < phone.onset
                found, asked = (e[song.firsts[n]] * HOP / RATE for e in (edges, song.edges))
                kind = "silence" if silent else class_of(phones[n - 1].phone)
                errors.setdefault(kind, []).append((found - LATE - phone.onset, asked - phone.onset))
    clear = [pair for kind, pairs in errors.items() if kind not in ("vowel", "approximant") for pair in pairs]
    for kind, pairs in [*sorted(errors.items()), ("all but after vowels and approximants", clear)]:
        found, asked = 1000 * np.array(pairs).T
        moved = np.polyfit(asked, found, 1)[0] if args.asked else 0.0
        print(f"{kind}: {len(found)} onsets, mean {found.mean():.0f}, SD {found.std():.0f}, "
              f"95 % {np.percentile(abs(found), 95):.0f} ms, moved {moved:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
