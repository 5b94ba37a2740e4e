#!/usr/bin/env python3
"""Lists the corpora's utterances, with the words of each in lower case, one file a split.

    python local/prepare.py CORPORA_DIR OUT_DIR

CORPORA_DIR holds the corpora as published: LibriSpeech/, an4/, cmu_us_{slt,bdl}_arctic/, kathleen/, LJSpeech-1.1/, at
any depth. A line of OUT_DIR/{train,dev,test_other,test_read}.tsv is utt_id<TAB>speaker<TAB>audio<TAB>text.

Splits: of LibriSpeech's training part every 12th speaker is dev and test-other is a test; the sentences that Arctic's
and Kathleen's speakers share go by prompt: arctic_b0440 to b0489 are dev, b0490 and above are the test of read speech.
LJSpeech's last 45 utterances and AN4's test set are in no split.
"""

import argparse
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

Row = tuple[str, str, str, Path, str]


def words(text: str) -> str | None:
    """A transcript in lower-case letters and apostrophes; None if it has digits, whose reading is not known."""
    text = unicodedata.normalize("NFKD", text.lower().replace("’", "'")).encode("ascii", "ignore").decode()
    if re.search(r"\d", text):
        return None
    quoted = re.sub(r"(?<![a-z])'+|'+(?![a-z])", " ", text)  # quotation marks, not apostrophes
    return " ".join(re.sub(r"[^a-z']+", " ", quoted).split()) or None


def librispeech(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.rglob("*.trans.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            utt_id, text = line.split(" ", 1)
            speaker = utt_id.split("-")[0]
            split = "test_other" if "test-other" in path.parts else "train"
            yield split, utt_id, speaker, path.with_name(f"{utt_id}.flac"), text


def by_prompt(prompt: str) -> str:
    if not prompt.startswith("arctic_b"):
        return "train"
    number = int(prompt[8:])
    return "train" if number < 440 else "dev" if number < 490 else "test_read"


def arctic(folder: Path, speaker: str) -> Iterator[Row]:
    for line in (folder / "etc" / "txt.done.data").read_text(encoding="utf-8").splitlines():
        prompt, text = re.match(r'\(\s*(\S+)\s+"(.*)"\s*\)', line).groups()
        yield by_prompt(prompt), f"{speaker}_{prompt}", speaker, folder / "wav" / f"{prompt}.wav", text


def metadata(folder: Path, speaker: str, wavs: str) -> Iterator[Row]:
    rows = [line.split("|") for line in (folder / "metadata.csv").read_text(encoding="utf-8").splitlines()]
    for number, (utt_id, *texts) in enumerate(rows):
        if utt_id.startswith("arctic"):
            split, name = by_prompt(utt_id), f"{speaker}_{utt_id}"
        else:
            split, name = ("train" if number < len(rows) - 45 else ""), utt_id
        yield split, name, speaker, folder / wavs / f"{utt_id}.wav", texts[-1]


def an4(folder: Path) -> Iterator[Row]:
    ids = (folder / "etc" / "an4_train.fileids").read_text().split()
    lines = (folder / "etc" / "an4_train.transcription").read_text().splitlines()
    for path, line in zip(ids, lines):
        text = re.match(r"<s>(.*)</s>", line)[1]
        yield "train", Path(path).name, Path(path).parent.name, folder / "wav" / f"{path}.wav", text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()

    def folder(name: str, inside: str) -> Path:
        found = [path for path in args.corpora.rglob(name) if (path / inside).exists()]
        if not found:
            parser.error(f"there is no {name} with {inside} in it below {args.corpora}")
        return min(found, key=lambda path: len(path.parts))

    rows = [
        *librispeech(folder("LibriSpeech", "train-clean-100")),
        *an4(folder("an4", "etc/an4_train.fileids")),
        *arctic(folder("cmu_us_slt_arctic", "etc/txt.done.data"), "slt"),
        *arctic(folder("cmu_us_bdl_arctic", "etc/txt.done.data"), "bdl"),
        *metadata(folder("kathleen", "metadata.csv"), "kathleen", "wav"),
        *metadata(folder("LJSpeech-1.1", "metadata.csv"), "lj", "wavs"),
    ]
    speakers = sorted({speaker for split, _, speaker, path, _ in rows if split == "train" and path.suffix == ".flac"})
    held_out = set(speakers[::12])
    args.out.mkdir(parents=True, exist_ok=True)
    for split in ("train", "dev", "test_other", "test_read"):
        lines = []
        for its, utt_id, speaker, path, text in rows:
            its = "dev" if its == "train" and speaker in held_out else its
            spoken = words(text)
            if its == split and spoken:
                lines.append(f"{utt_id}\t{speaker}\t{path.resolve()}\t{spoken}\n")
        (args.out / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")
        print(f"{split}: {len(lines)} utterances")


if __name__ == "__main__":
    main()
