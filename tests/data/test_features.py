"""Features against their definitions, written again with librosa and plain sums."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from hummed import AUDIO, PHONES, make_cut
from lhotse import CutSet, Recording, SupervisionSegment

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.data import features as features_module
from speechnar.data.features import DataError, FeatureStats, compute_features, load_utterance, utterance_of
from speechnar.text.symbols import SymbolTable

SYMBOLS = SymbolTable(("<pad>", "<s>", "</s>", *sorted(PHONES)))


def test_one_utterance(tmp_path: Path) -> None:
    cut = make_cut(tmp_path, "a", [3, 5, 0, 8, 2])
    u = utterance_of(cut, AUDIO, SYMBOLS)
    assert u.durations.tolist() == [2, 3, 5, 0, 8, 2, 2]
    assert [SYMBOLS.symbols[t] for t in u.tokens] == ["<s>", *PHONES, "</s>"]
    assert (u.mel.shape, u.f0.shape, u.energy.shape, u.wav.shape) == ((22, 12), (22,), (22,), (2200,))
    assert u.wav.dtype == np.int16
    np.testing.assert_array_equal(u.wav, np.rint(cut.load_audio()[0] * 32768))
    np.testing.assert_array_equal(u.f0, [0, 0] + [200] * 18 + [0, 0])
    padded = np.pad(u.wav / 32768, 78, mode="reflect")  # (256 - 100) / 2 on each side
    spectrum = librosa.stft(padded, n_fft=256, hop_length=100, center=False)
    energy = np.log(np.sqrt(np.mean(np.abs(spectrum) ** 2, axis=0) + 1e-10))
    np.testing.assert_allclose(u.energy, energy, atol=1e-4)
    mel = librosa.filters.mel(sr=8000, n_fft=256, n_mels=12, fmin=0, fmax=4000) @ np.abs(spectrum)
    np.testing.assert_allclose(u.mel, np.log(np.maximum(mel, 1e-5)).T, atol=1e-3)


def test_f0_is_estimated_when_not_given(tmp_path: Path) -> None:
    cut = make_cut(tmp_path, "a", [20, 20, 20, 20, 20], hertz=180.0)
    del cut.supervisions[0].custom["f0"]
    u = utterance_of(cut, AUDIO, SYMBOLS)
    assert u.f0.shape == (104,)
    middle = u.f0[20:84]
    assert np.mean(middle > 0) > 0.95
    assert np.median(middle[middle > 0]) == pytest.approx(180, rel=0.01)


@pytest.mark.parametrize("extra, kept", [(150, True), (-150, True), (200, True), (201, False), (-250, False)])
def test_audio_is_fitted_within_two_frames(tmp_path: Path, extra: int, kept: bool) -> None:
    cut = make_cut(tmp_path, "a", [3, 5, 0, 8, 2], extra=extra)
    if kept:
        u = utterance_of(cut, AUDIO, SYMBOLS)
        assert len(u.wav) == 2200 and len(u.mel) == 22
    else:
        with pytest.raises(DataError, match=r"22 frames but audio has (24\.0|19\.5) \(utterance a\)"):
            utterance_of(cut, AUDIO, SYMBOLS)


def test_other_sample_rate_is_resampled(tmp_path: Path) -> None:
    cut = make_cut(tmp_path, "a", [3, 5, 0, 8, 2])
    double = AudioConfig(sample_rate=16000, n_fft=512, hop_length=200, win_length=512, n_mels=12)
    assert len(utterance_of(cut, double, SYMBOLS).wav) == 22 * 200


@pytest.mark.parametrize(
    "change, words",
    [
        ({"durations": [3, 5, 0, 8]}, "5 phones but 4 durations"),
        ({"durations": [3, 5, -1, 8, 3]}, "durations from -1"),
        ({"f0": [100.0] * 30}, "22 frames but F0 has 30.0"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, change: dict, words: str) -> None:
    cut = make_cut(tmp_path, "bad-one", [3, 5, 0, 8, 2])
    cut.supervisions[0].custom.update(change)
    with pytest.raises(DataError, match=words) as error:
        utterance_of(cut, AUDIO, SYMBOLS)
    assert "bad-one" in str(error.value)


def test_notes_of_a_song_are_kept_with_its_tokens(tmp_path: Path) -> None:
    cut = make_cut(tmp_path, "song", [3, 5, 0, 8, 2])
    assert utterance_of(cut, AUDIO, SYMBOLS).notes is None
    notes = {"note_pitch": [60, 60, 62, 62, 64.5], "note_durations": [1, 1, 0.5, 0.5, 2], "slurs": [0, 0, 0, 1, 0]}
    cut.supervisions[0].custom.update(notes)
    kept = [[60, 1, 0], [60, 1, 0], [60, 1, 0], [62, 0.5, 0], [62, 0.5, 1], [64.5, 2, 0], [64.5, 2, 0]]
    assert utterance_of(cut, AUDIO, SYMBOLS).notes.tolist() == kept
    compute_features(CutSet.from_cuts([cut]), tmp_path / "features", AUDIO)
    assert load_utterance(tmp_path / "features", "song").notes.tolist() == kept
    del cut.supervisions[0].custom["slurs"]
    with pytest.raises(DataError, match="5 note_durations, 0 slurs"):
        utterance_of(cut, AUDIO, SYMBOLS)


def test_missing_field_is_named(tmp_path: Path) -> None:
    cut = make_cut(tmp_path, "a", [3, 5, 0, 8, 2])
    del cut.supervisions[0].custom["lead"]
    with pytest.raises(DataError, match="lacks the custom field 'lead'"):
        utterance_of(cut, AUDIO, SYMBOLS)


def test_corpus_statistics_and_symbols(tmp_path: Path, corpus: CutSet) -> None:
    cuts = list(corpus)
    training, other = CutSet.from_cuts(cuts[:6]), CutSet.from_cuts(cuts[6:])
    stats = compute_features(training, tmp_path, AUDIO, [other])
    assert (tmp_path / "tokens.txt").read_text("utf-8").splitlines()[:4] == ["<pad>\t0", "<s>\t1", "</s>\t2", ".\t3"]
    assert SymbolTable.load(tmp_path / "tokens.txt") == SYMBOLS
    assert config_files.load(FeatureStats, tmp_path / "stats.json") == stats
    utterances = [load_utterance(tmp_path, cut.id) for cut in cuts]
    mel = np.concatenate([u.mel for u in utterances[:6]])
    f0 = np.concatenate([u.f0 for u in utterances[:6]])
    energy = np.concatenate([u.energy for u in utterances[:6]])
    np.testing.assert_allclose(stats.mel_mean, mel.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(stats.mel_std, mel.std(axis=0), rtol=1e-4)
    assert stats.log_f0_mean == pytest.approx(np.log(f0[f0 > 0]).mean(), rel=1e-5)
    assert stats.log_f0_std == pytest.approx(np.log(f0[f0 > 0]).std(), rel=1e-4)
    assert stats.energy_mean == pytest.approx(energy.mean(), rel=1e-4)
    assert stats.energy_std == pytest.approx(energy.std(), rel=1e-4)
    assert stats.utterances == 6
    assert stats.seconds == pytest.approx(len(mel) * 100 / 8000)


def test_a_phone_of_another_set_with_none_near_it_is_added_and_named(
    tmp_path: Path, corpus: CutSet, capsys: pytest.CaptureFixture[str]
) -> None:
    training, other = list(corpus)[:6], deepcopy(list(corpus)[6])
    other.supervisions[0].custom["phones"][:2] = ["ʒ", "m"]  # training has neither, nor what is near them
    compute_features(CutSet.from_cuts(training), tmp_path / "a", AUDIO, [CutSet.from_cuts([other])])
    table = SymbolTable.load(tmp_path / "a" / "tokens.txt")
    assert set(table.symbols) == {*SYMBOLS.symbols, "ʒ", "m"}
    assert table.decode(load_utterance(tmp_path / "a", other.id).tokens[1:3]) == "ʒm"
    assert "no training utterance has 'm' 'ʒ', or a phone near it" in capsys.readouterr().err


def test_processes_give_the_same_and_what_is_there_is_kept(tmp_path: Path, corpus: CutSet) -> None:
    one = compute_features(corpus, tmp_path / "one", AUDIO)
    two = compute_features(corpus, tmp_path / "two", AUDIO, jobs=2)
    assert one == two
    files = sorted((tmp_path / "two" / "utterances").iterdir())
    assert [f.name for f in files] == [f"utt-{n}.npz" for n in range(8)]
    before = {f: f.stat().st_mtime_ns for f in files}
    files[3].unlink()
    (tmp_path / "two" / "stats.json").unlink()
    assert compute_features(corpus, tmp_path / "two", AUDIO) == one
    assert [f for f in files if f.stat().st_mtime_ns != before[f]] == [files[3]]


def test_new_alignment_is_computed_again(tmp_path: Path) -> None:
    old = make_cut(tmp_path, "a", [3, 5, 0, 8, 2])
    compute_features(CutSet.from_cuts([old]), tmp_path / "features", AUDIO)
    new = make_cut(tmp_path, "a", [4, 4, 1, 7, 2])
    compute_features(CutSet.from_cuts([new]), tmp_path / "features", AUDIO)
    assert load_utterance(tmp_path / "features", "a").durations.tolist() == [2, 4, 4, 1, 7, 2, 2]


def test_only_the_durations_of_a_new_alignment_are_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = make_cut(tmp_path, "a", [3, 5, 0, 8, 2], extra=7)
    del cut.supervisions[0].custom["f0"]
    unaligned = deepcopy(cut)
    unaligned.supervisions[0].custom = {"phones": PHONES}
    first = compute_features(CutSet.from_cuts([unaligned]), tmp_path / "features", AUDIO)
    before = load_utterance(tmp_path / "features", "a")
    assert before.durations.tolist() == [0] * 7 and len(before.mel) == len(before.f0) == 22
    whole = compute_features(CutSet.from_cuts([cut]), tmp_path / "other", AUDIO)
    monkeypatch.setattr(features_module, "utterance_of", lambda *_: pytest.fail("the sound was read again"))
    assert compute_features(CutSet.from_cuts([cut]), tmp_path / "features", AUDIO) == first == whole
    after, other = (load_utterance(tmp_path / name, "a") for name in ("features", "other"))
    assert after.durations.tolist() == [2, 3, 5, 0, 8, 2, 2]
    for name in ("tokens", "durations", "mel", "f0", "energy", "wav"):
        np.testing.assert_array_equal(getattr(after, name), getattr(other, name))


def test_an_unaligned_cut_shorter_than_a_frame_is_refused(tmp_path: Path) -> None:
    cut = make_cut(tmp_path, "a", [3, 5, 0, 8, 2]).truncate(duration=0.01)
    cut.id, cut.supervisions[0].custom = "a", {"phones": PHONES}
    with pytest.raises(DataError, match="utterance a is shorter than a frame"):
        utterance_of(cut, AUDIO, SYMBOLS)


def test_folder_of_other_settings_is_refused(tmp_path: Path, corpus: CutSet) -> None:
    compute_features(corpus, tmp_path, AUDIO)
    other = AudioConfig(**{**vars(AUDIO), "n_mels": 10})
    with pytest.raises(DataError, match="n_mels: 12 / 10"):
        compute_features(corpus, tmp_path, other)
    strange = make_cut(tmp_path, "b", [3, 5, 0, 8, 2], phones=["h", "ˈɛ", "l", "ʒ", "."])
    with pytest.raises(DataError, match="lacks the symbols 'ʒ'"):
        compute_features(CutSet.from_cuts([strange]), tmp_path, AUDIO)
    with pytest.raises(DataError, match="lacks the symbols 'ʒ'"):
        compute_features(corpus, tmp_path, AUDIO, [CutSet.from_cuts([strange])])


def test_broken_and_missing_files_are_named(tmp_path: Path, corpus: CutSet) -> None:
    compute_features(corpus, tmp_path, AUDIO)
    path = tmp_path / "utterances" / "utt-2.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"utt-2\.npz cannot be read .* delete it"):
        load_utterance(tmp_path, "utt-2")
    with pytest.raises(DataError, match="no features of utterance utt-9"):
        load_utterance(tmp_path, "utt-9")


@pytest.mark.skipif(os.name != "posix", reason="limits a process's file size")
@pytest.mark.parametrize("limit, jobs", [(8, 1), (2000, 2)], ids=["at the start", "in an utterance"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(tmp_path: Path, limit: int, jobs: int) -> None:
    cuts = [make_cut(tmp_path, f"utt-{n}", [3, 5, 0, 8, 2]) for n in range(4)]
    CutSet.from_cuts(cuts).to_file(tmp_path / "cuts.jsonl")
    config_files.save(AUDIO, tmp_path / "audio.yaml")
    features = tmp_path / "features"
    script = f"""
import resource, sys
import speechnar.data.features  # whose imports compile files
from speechnar import cli
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
args = ["features", {str(tmp_path / "cuts.jsonl")!r}, {str(features)!r}, "--audio", {str(tmp_path / "audio.yaml")!r}]
sys.exit(cli.main([*args, "--jobs", "{jobs}"]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert re.match(r"speechnar: .*features.*: File too large", done.stderr.splitlines()[-1])
    left = {str(path.relative_to(features)) for path in features.rglob("*") if path.is_file()}
    assert left == (set() if limit == 8 else {"audio.json", "tokens.txt"})
    compute_features(CutSet.from_cuts(cuts), features, AUDIO)  # when there is room again, it goes on
    assert len(list((features / "utterances").iterdir())) == 4


def test_unvoiced_corpus_has_usable_statistics(tmp_path: Path) -> None:
    cut = make_cut(tmp_path, "a", [3, 5, 0, 8, 2])
    cut.supervisions[0].custom["f0"] = [0.0] * 22
    stats = compute_features(CutSet.from_cuts([cut]), tmp_path / "features", AUDIO)
    assert (stats.log_f0_mean, stats.log_f0_std) == (0.0, 1.0)
    numbers = json.loads((tmp_path / "features" / "stats.json").read_text())["mel_std"]
    assert all(math.isfinite(n) and n > 0 for n in numbers)


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", ".hidden", "a/b", "a%2Fb", "Grüße, 1"])
def test_no_name_of_an_utterance_leaves_the_folder(tmp_path: Path, name: str) -> None:
    cut = make_cut(tmp_path, "plain", [3, 5, 0, 8, 2]).with_id(name)
    compute_features(CutSet.from_cuts([cut]), tmp_path / "features", AUDIO)
    assert {path.parent for path in tmp_path.rglob("*.npz")} == {tmp_path / "features" / "utterances"}
    assert load_utterance(tmp_path / "features", name).utt_id == name


def test_a_file_of_broken_samples_among_good_ones_is_named(tmp_path: Path) -> None:
    cuts = [make_cut(tmp_path, f"u{n}", [3, 5, 0, 8, 2]) for n in range(3)]
    wav, rate = soundfile.read(tmp_path / "u1.wav", dtype="float32")
    wav[50] = np.inf
    soundfile.write(tmp_path / "u1.wav", wav, rate, subtype="FLOAT")
    with pytest.raises(DataError, match=r"the audio of u1 \(.*u1.wav\) has samples that are infinite or not a number"):
        compute_features(CutSet.from_cuts(cuts), tmp_path / "features", AUDIO)
    assert not (tmp_path / "features" / "stats.json").exists()


@pytest.mark.parametrize("rate", [44100, 48000])
def test_recordings_at_higher_rates_have_the_features_of_the_voice_s_rate(tmp_path: Path, rate: int) -> None:
    """The same tones written at 22.05 kHz and at the rate: equal frames, and nearly equal mels below the cutoff."""
    voice = AudioConfig(f_max=8000.0)
    made = {}
    for its in (voice.sample_rate, rate):
        time = np.arange(its) / its
        wav = sum(0.1 * np.sin(2 * np.pi * hertz * time) for hertz in (200, 1000, 5000))
        soundfile.write(tmp_path / f"{its}.wav", wav, its, subtype="FLOAT")
        recording = Recording.from_file(tmp_path / f"{its}.wav", recording_id=str(its))
        cut = recording.to_cut().with_id(str(its))
        cut.supervisions = [SupervisionSegment("s", str(its), 0, 1.0, text="Hello.", custom={"phones": PHONES})]
        made[its] = utterance_of(cut, voice, SYMBOLS)
    low, high = made.values()
    assert len(low.mel) == len(high.mel) == 22050 // 256 and len(low.wav) == len(high.wav)
    inner = slice(4, -4)  # the filter of the resampler rings at the ends
    loud = low.mel[inner] > -6
    assert loud.sum() > 300 and np.abs(low.mel[inner] - high.mel[inner])[loud].max() < 0.05
