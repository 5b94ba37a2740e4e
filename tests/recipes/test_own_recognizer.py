"""Make words, characters and subwords of German transcripts, as the recipe for a recognizer of any language does."""

from __future__ import annotations

import importlib.util
import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

RECIPE = Path(__file__).parents[2] / "recipes" / "own_recognizer"

SAID = {
    "a": ("Der Zug fährt um 7:45 Uhr ab.", "der zug fährt um sieben uhr fünfundvierzig ab"),
    "b": (unicodedata.normalize("NFD", "Schöne Grüße!"), "schöne grüße"),
    "c": ("„Ja“, sagte Dr. Weiß – am 3. Mai.", "ja sagte doktor weiß am dritten mai"),
    "d": ("...", ""),
}


@pytest.fixture(scope="module")
def prepare():
    spec = importlib.util.spec_from_file_location("own_recognizer_prepare", RECIPE / "local" / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", SAID)
def test_transcripts_become_words(prepare, name: str) -> None:
    written, words = SAID[name]
    assert prepare.words_of(written, "de") == words
    assert prepare.words_of(words, "de") == words


def test_english_is_read_by_its_own_front_end(prepare) -> None:
    assert prepare.words_of("He paid $5.", "en-us") == "he paid five dollars"


def test_a_manifest_becomes_tokens(prepare, tmp_path: Path, monkeypatch, capsys) -> None:
    from speechnar.data.corpora import import_corpus, read_ljspeech
    from speechnar.data.manifest import load_cuts, save_cuts
    from speechnar.text.tokenizer import load_tokenizer, train_tokenizer

    lines = "".join(f"{name}|{written}\n" for name, (written, _) in SAID.items())
    (tmp_path / "metadata.csv").write_text(lines, encoding="utf-8")
    for name in SAID:
        soundfile.write(tmp_path / f"{name}.wav", np.full(800, 0.1, np.float32), 16000)
    save_cuts(import_corpus(read_ljspeech(tmp_path)).cuts, tmp_path / "all.jsonl")
    arguments = [str(tmp_path / "all.jsonl"), str(tmp_path / "words.jsonl"), "--language", "de"]
    monkeypatch.setattr("sys.argv", ["prepare.py", *arguments])
    prepare.main()
    assert capsys.readouterr().err.endswith("prepare.py: d has no word and is left out\n")
    cuts = load_cuts(tmp_path / "words.jsonl")
    assert [(cut.id, cut.supervisions[0].text, cut.supervisions[0].language) for cut in cuts] == [
        (name, words, "de") for name, (_, words) in SAID.items() if words
    ]
    texts = [words for _, words in SAID.values() if words]
    characters = train_tokenizer(texts, tmp_path / "units")
    assert {"ä", "ö", "ü", "ß"} <= set(characters.symbols) and "\u0308" not in characters.symbols
    tokenizer = load_tokenizer(tmp_path / "units")
    assert [tokenizer.decode(tokenizer.encode(text)) for text in texts] == texts


def test_the_card_names_the_language(tmp_path: Path) -> None:
    from speechnar import config
    from speechnar.export.recognizer import RecognizerCard

    run = (RECIPE / "run.sh").read_text(encoding="utf-8")
    assert 'sed "s/^language:.*/language: $language/" conf/card.yaml' in run
    assert config.load(RecognizerCard, RECIPE / "conf" / "card.yaml").language == "en"


def test_json_output_has_the_language() -> None:
    from speechnar.runtime.timings import to_json
    from speechnar.runtime.transcript import Transcript

    assert json.loads(to_json(Transcript("a", 1.0, (), language="de")))["language"] == "de"
