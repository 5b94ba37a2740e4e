"""Predicted MOS: equal to what the packages themselves say, whatever work is spared."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from speechnar import audio
from speechnar.cli import main
from speechnar.evaluate.quality import distillmos, dnsmos, mos
from speechnar.evaluate.quality.recordings import Recording

RATE = mos.SAMPLE_RATE


def sound(seconds: float) -> np.ndarray:
    """A tone that swells and fades four times a second, and noise: no two seconds of it are alike."""
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * RATE)) / RATE
    swell = 0.3 * np.abs(np.sin(2 * np.pi * time)) * (0.5 + 0.5 * np.sin(0.7 * time))
    tone = np.sin(2 * np.pi * 150 * time + 20 * np.sin(2 * time))
    return (swell * tone + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


@pytest.fixture(scope="module")
def dnsmos_network() -> dnsmos.Dnsmos:
    return dnsmos.Dnsmos()


@pytest.fixture(scope="module")
def distillmos_network() -> distillmos.DistillMos:
    return distillmos.DistillMos()


@pytest.mark.parametrize("seconds", [2.51, 12.01])  # four times to fill one segment; three that overlap
def test_dnsmos_equals_speechmos(dnsmos_network: dnsmos.Dnsmos, seconds: float) -> None:
    from speechmos import dnsmos as theirs

    wav = sound(seconds)
    expected = theirs.run(wav, RATE)
    score = dnsmos_network(wav)
    assert score.ovrl == pytest.approx(expected["ovrl_mos"], abs=1e-4)
    assert score.sig == pytest.approx(expected["sig_mos"], abs=1e-4)
    assert score.bak == pytest.approx(expected["bak_mos"], abs=1e-4)
    assert score.p808 == pytest.approx(expected["p808_mos"], abs=1e-4)


def test_dnsmos_does_not_depend_on_how_segments_are_grouped(
    dnsmos_network: dnsmos.Dnsmos, monkeypatch: pytest.MonkeyPatch
) -> None:
    wav = sound(12.01)
    whole = dnsmos_network(wav)
    monkeypatch.setattr(dnsmos, "GROUP", 1)
    monkeypatch.setattr(dnsmos, "BLOCK", 100)
    parts = dnsmos_network(wav)
    assert [parts.ovrl, parts.sig, parts.bak, parts.p808] == pytest.approx(
        [whole.ovrl, whole.sig, whole.bak, whole.p808], abs=1e-4
    )


@pytest.mark.parametrize("seconds", [0.01, 2.5, 7.66, 9.0])  # the last two: no room for zeros; several segments
def test_distillmos_equals_the_package(distillmos_network: distillmos.DistillMos, seconds: float) -> None:
    import torch

    theirs = distillmos.network_class()().eval()
    wav = sound(seconds)
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(wav)[None]).item()
    assert distillmos_network(wav) == pytest.approx(expected, abs=1e-5)


def test_distillmos_loads_where_torchaudio_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("distillmos", "torchaudio")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Misfit(), *sys.meta_path])
    assert distillmos.network_class().__name__ == "ConvTransformerSQAModel"
    assert "torchaudio" not in sys.modules


class Misfit:
    """Fails as a torchaudio does that was built for another torch."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] == "torchaudio":
            raise OSError("libc10_cuda.so: cannot open shared object file")


def test_noisy_speech_scores_lower(dnsmos_network: dnsmos.Dnsmos, distillmos_network: distillmos.DistillMos) -> None:
    recording = Path(__file__).parents[3] / "egs" / "mini_tts" / "clips" / "arctic_a0012.opus"
    wav, _ = audio.read(recording, RATE)
    noisy = (wav + 0.1 * np.random.default_rng(1).standard_normal(len(wav))).astype(np.float32)
    assert dnsmos_network(noisy).bak < dnsmos_network(wav).bak
    assert distillmos_network(noisy) < distillmos_network(wav)


def test_a_recording_that_cannot_be_read_does_not_stop_the_others() -> None:
    def broken(sample_rate: int) -> np.ndarray:
        raise audio.AudioError("b.wav holds no audio (0 samples)")

    recordings = [
        Recording("a", lambda rate: np.full(rate, 0.5)),
        Recording("b", broken),
        Recording("c", lambda rate: np.zeros(rate)),
    ]
    found = mos.measure("x", recordings, [lambda wav: {"mean": float(wav.mean())}, lambda wav: {"length": len(wav)}])
    assert found.utterances == {"a": {"mean": 0.5, "length": RATE}, "c": {"mean": 0.0, "length": RATE}}
    assert found.failed == {"b": "b.wav holds no audio (0 samples)"}


@pytest.fixture
def by_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """A predictor that needs no package: the score is the length in seconds."""
    monkeypatch.setattr(mos, "PREDICTORS", {"length": lambda threads: lambda wav: {"LENGTH": len(wav) / RATE}})


def folder(path: Path, seconds: list[float], rate: int = RATE) -> str:
    for number, length in enumerate(seconds):
        audio.write(path / f"{number}.wav", np.zeros(round(length * rate), np.float32), rate)
    return str(path)


def test_command_compares_folders_of_other_rates(
    by_length: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = folder(tmp_path / "A", [1, 2, 3, 4, 5, 6])
    second = folder(tmp_path / "B", [1.5, 2.5, 3.5, 4.5, 5.5, 6.5], rate=24000)
    picture, found = tmp_path / "mos.svg", tmp_path / "mos.json"
    assert main(["evaluate", "mos", first, second, "--json", str(found), "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("A PREDICTED MOS IS NO LISTENING TEST")
    assert ["LENGTH", "A", "3.50"] in [line.split()[:3] for line in out.splitlines()]
    assert ["LENGTH", "B", "-", "A", "+0.50"] in [line.split()[:5] for line in out.splitlines()]
    assert "NO LISTENING TEST" in found.read_text(encoding="utf-8") and picture.stat().st_size > 0


def test_command_names_what_could_not_be_scored_and_what_is_missing(
    by_length: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = folder(tmp_path / "A", [1, 2]), folder(tmp_path / "B", [1, 2])
    audio.write(tmp_path / "B" / "1.wav", np.zeros(0, np.float32), RATE)
    assert main(["evaluate", "mos", first, second]) == 1
    told = capsys.readouterr()
    assert "A and B are not compared, for only one of them has 1" in told.err
    assert "1 of 4 utterances could not be measured; the first is B: " in told.err
    assert "1.wav holds no audio" in told.err
    assert ["LENGTH", "B", "1.00"] in [line.split()[:3] for line in told.out.splitlines()]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--predictor", "ears"], "there is no predictor 'ears'; take length"),
        (["--plot", "mos.gif"], "mos.gif should end in one of .png, .svg, .pdf"),
    ],
)
def test_command_refuses(
    by_length: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    assert main(["evaluate", "mos", folder(tmp_path / "A", [1]), *options]) == 1
    assert capsys.readouterr().err == f"speechnar: {sentence}\n"
