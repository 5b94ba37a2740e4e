"""The aligner through the real loop, on phones that are tones and hisses whose times are known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tones import RATE, spoken

from speechnar import config
from speechnar.audio import AudioConfig
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.data.durations import boundaries_of
from speechnar.data.manifest import DataError, load_cuts, save_cuts
from speechnar.data.textgrid import read_textgrid
from speechnar.infer.align import align_corpus, wrong_transcripts
from speechnar.models.folder import ModelError, load_model
from speechnar.models.tts.aligner import AlignerConfig
from speechnar.tasks.aligner import AlignerTask, AlignerTraining, train_aligner
from speechnar.train.loop import LoopConfig

VOICE = AudioConfig(RATE, 256, 100, 256, 12, 0.0, 4000.0)  # frames of 12.5 ms
CONFIG = AlignerTraining(
    AudioConfig(RATE, 200, 40, 200, 16, 0.0, 4000.0),
    Choice("aligner", AlignerConfig(n_cepstra=8, d_model=8)),
    LoopConfig(
        max_steps=60, learning_rate=0.03, warmup_steps=0, grad_clip=5.0, precision="no", ema_decay=0.8,
        validate_every=60, log_every=20,
    ),
    phone_states=2, pause_states=2, batch_seconds=6.0, prior_steps=20, context_step=40, search_step=50,
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("tones")
    made = [spoken(folder, n) for n in range(14)]
    save_cuts([cut for cut, _ in made[:12]], folder / "train.jsonl.gz")
    save_cuts([cut for cut, _ in made[12:]], folder / "dev.jsonl.gz")
    config.save(VOICE, folder / "audio.yaml")
    return folder, {cut.id: times for cut, times in made}


@pytest.fixture(scope="module")
def trained(corpus: tuple[Path, dict[str, np.ndarray]]) -> Path:
    folder = corpus[0]
    config.save(CONFIG, folder / "aligner.yaml")
    splits = ["--train", str(folder / "train.jsonl.gz"), "--dev", str(folder / "dev.jsonl.gz")]
    assert main(["train", "aligner", str(folder / "aligner.yaml"), *splits, "--out", str(folder / "model")]) == 0
    return folder / "model"


@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_boundaries_of_utterances_that_are_not_in_training(
    trained: Path, corpus: tuple[Path, dict[str, np.ndarray]], tmp_path: Path, offset: float
) -> None:
    folder, times = corpus
    out = tmp_path / "out.jsonl.gz"
    verb = ["align", str(trained), str(folder / "dev.jsonl.gz"), str(out), "--audio", str(folder / "audio.yaml")]
    assert main([*verb, "--boundary-offset", str(offset), "--textgrids", str(tmp_path / "grids")]) == 0
    for cut in load_cuts(out):
        fields = cut.supervisions[0].custom
        assert fields["lead"] + sum(fields["durations"]) + fields["trail"] == cut.num_samples // VOICE.hop_length
        errors = boundaries_of(cut, VOICE) - times[cut.id] - offset / 1000
        assert np.abs(errors).mean() < 0.0125 and np.abs(errors).max() < 0.026  # rounding alone: 0.0031, 0.0063
        tiers = read_textgrid(tmp_path / "grids" / f"{cut.id}.TextGrid")
        assert [row.text for row in tiers["phones"] if row.text] == [p for p in fields["phones"] if p != " "]
        words = "".join(fields["phones"]).split(" ")
        assert [row.text for row in tiers["words"] if row.text] == words
        starts = [0.0, *boundaries_of(cut, VOICE)]
        assert [row.start for row in tiers["phones"]] == pytest.approx(starts)


def test_wrong_transcripts_have_low_scores(
    trained: Path, corpus: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    cuts = load_cuts(corpus[0] / "train.jsonl.gz")
    phones = [cut.supervisions[0].custom["phones"] for cut in cuts]
    wrong = {cut.id: phones[n - 1] for n, cut in enumerate(cuts) if n % 4 == 0 and phones[n - 1] != phones[n]}
    for cut in cuts:
        cut.supervisions[0].custom["phones"] = wrong.get(cut.id, cut.supervisions[0].custom["phones"])
    save_cuts(cuts, tmp_path / "cuts.jsonl.gz")
    aligned = align_corpus(trained, tmp_path / "cuts.jsonl.gz", tmp_path / "out.jsonl.gz", VOICE)
    scores = {cut.id: cut.supervisions[0].custom["alignment_score"] for cut in aligned}
    assert len(wrong) == 3
    assert max(scores[name] for name in wrong) < min(scores[name] for name in scores.keys() - wrong.keys())


@pytest.mark.parametrize("fault", ["swapped", "half", "of another"])
def test_the_check_of_a_corpus_lists_wrong_transcripts(
    trained: Path, corpus: tuple[Path, dict[str, np.ndarray]], tmp_path: Path, fault: str
) -> None:
    cuts = load_cuts(corpus[0] / "train.jsonl.gz")
    assert wrong_transcripts(trained, cuts) == []
    phones = [list(cut.supervisions[0].custom["phones"]) for cut in cuts]
    others = [n for n in range(1, len(cuts)) if phones[n] != phones[0]]
    said = phones[0]
    faults = {"swapped": phones[others[0]], "half": said[: len(said) // 2]}
    faults["of another"] = phones[others[-1]][::-1]
    cuts[0].supervisions[0].custom["phones"] = faults[fault]
    (found,) = wrong_transcripts(trained, cuts)
    assert (found.kind, found.utt_id, found.is_error) == ("transcript", cuts[0].id, True)


def test_the_verb_makes_the_phones_that_lack_and_keeps_them_to_itself(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cuts = [spoken(tmp_path, n)[0] for n in range(12)]
    phones = {cut.id: cut.supervisions[0].custom.pop("phones") for cut in cuts}
    for cut in cuts:
        cut.supervisions[0].text = cut.id
    save_cuts(cuts, tmp_path / "cuts.jsonl.gz")
    wrong = phones | {cuts[3].id: phones[cuts[5].id][::-1]}
    monkeypatch.setattr("speechnar.data.phones.phones_of", lambda text, *_: wrong[text])
    monkeypatch.setattr("speechnar.data.validate.phones_of", lambda text, *_: wrong[text])
    out = tmp_path / "sound.jsonl.gz"
    verb = ["corpus", "check", str(tmp_path / "cuts.jsonl.gz"), "--jobs", "1", "--min-seconds", "0.1"]
    assert main([*verb, "--aligner", str(trained), "--fix", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"  {cuts[3].id}: score -" in said
    kept = load_cuts(out)
    assert cuts[3].id not in {cut.id for cut in kept} and len(kept) == 11
    assert not any((cut.supervisions[0].custom or {}).get("phones") for cut in kept)


def test_the_model_folder_comes_back(trained: Path) -> None:
    model, its = load_model(trained)
    assert its.audio == CONFIG.audio and its.model.value == model.config
    assert model.config.states == (2, 1, 1, 2, 2, 2, 2, 2)  # the padding has as many as a phone


def test_another_aligner_is_a_start_by_the_names_of_symbols(trained: Path, tmp_path: Path) -> None:
    cut, _ = spoken(tmp_path, 99)
    cut.supervisions[0].custom["phones"] = ["ˈa", "u", " ", "s"]
    save_cuts([cut], tmp_path / "cuts.jsonl.gz")
    task = AlignerTask(CONFIG, tmp_path / "cuts.jsonl.gz", tmp_path / "cuts.jsonl.gz", trained)
    before, _ = load_model(trained)
    theirs = {s: n for n, s in enumerate(["<pad>", "<s>", "</s>", " ", "a", "i", "s", "u"])}
    for name, source in (("u", "u"), ("ˈa", "a"), (" ", " ")):
        row = task.model.means[task.symbols.ids[name]]
        assert (row == before.means[theirs[source]]).all()
    assert set(task.loss(task.load(task.batches(0)[0]), 0)) == {"forward_sum"}
    wider = dataclasses.replace(CONFIG, model=Choice("aligner", AlignerConfig(n_cepstra=9, d_model=8)))
    with pytest.raises(ModelError, match="is an aligner of other sizes .means"):
        AlignerTask(wider, tmp_path / "cuts.jsonl.gz", tmp_path / "cuts.jsonl.gz", trained)


def test_an_utterance_too_short_for_its_phones_is_named_and_nothing_written(trained: Path, tmp_path: Path) -> None:
    cut, _ = spoken(tmp_path, 0)
    cut.supervisions[0].custom["phones"] = ["a"] * 600
    save_cuts([cut], tmp_path / "cuts.jsonl.gz")
    with pytest.raises(DataError, match="1 of 1 utterances cannot be aligned; the first is u0: "):
        align_corpus(trained, tmp_path / "cuts.jsonl.gz", tmp_path / "out.jsonl.gz", VOICE)
    assert not (tmp_path / "out.jsonl.gz").exists()


def test_a_phone_that_was_not_in_training_is_aligned_as_a_similar_one(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut, _ = spoken(tmp_path, 0)
    phones = cut.supervisions[0].custom["phones"]
    unknown = ["z" if phone == "s" else phone for phone in phones]
    assert unknown != phones
    save_cuts([cut], tmp_path / "known.jsonl.gz")
    known = align_corpus(trained, tmp_path / "known.jsonl.gz", tmp_path / "out.jsonl.gz", VOICE)
    cut.supervisions[0].custom = {"phones": unknown}
    save_cuts([cut], tmp_path / "unknown.jsonl.gz")
    aligned = align_corpus(trained, tmp_path / "unknown.jsonl.gz", tmp_path / "out.jsonl.gz", VOICE)
    assert aligned[0].supervisions[0].custom["durations"] == known[0].supervisions[0].custom["durations"]
    assert aligned[0].supervisions[0].custom["phones"] == unknown
    assert "the aligner was not trained on the phone 'z', aligned as 's'" in capsys.readouterr().err
    cut.supervisions[0].custom = {"phones": ["m"]}
    save_cuts([cut], tmp_path / "none.jsonl.gz")
    with pytest.raises(DataError, match="has the phone 'm', and the aligner was trained on none that is similar"):
        align_corpus(trained, tmp_path / "none.jsonl.gz", tmp_path / "out.jsonl.gz", VOICE)


def test_without_phones_the_cure_is_named(tmp_path: Path) -> None:
    cut, _ = spoken(tmp_path, 0)
    cut.supervisions[0].custom = None
    save_cuts([cut], tmp_path / "cuts.jsonl.gz")
    with pytest.raises(DataError, match="lacks the custom field 'phones': run `speechnar corpus phonemize`"):
        train_aligner(CONFIG, tmp_path / "cuts.jsonl.gz", tmp_path / "cuts.jsonl.gz", tmp_path / "out")
