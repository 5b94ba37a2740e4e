"""DNSMOS: mean opinion scores of P.835 (signal, background, overall) and P.808, predicted without a reference.

The networks are those of the package speechmos, and so are the metrics, but its work is shared. It hears 9.01 s once a
second, and nearly all of the time goes into convolutions that see a few frames: these run here once over the recording.
Only the frames at a segment's two ends, which see the padding of that segment, are computed for each.

    recording   |==========================================|
    segment 0   [ee========================ee]                  e: computed for the segment
    segment 1      [ee========================ee]               =: taken from the recording

Source: Reddy et al. 2022, "DNSMOS P.835: a non-intrusive perceptual objective speech quality metric to evaluate noise
    suppressors"; Reddy et al. 2021, "DNSMOS" (P.808); https://pypi.org/project/speechmos.
"""

from __future__ import annotations

import importlib.resources
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from speechnar.extras import provide_numba_cache

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SAMPLE_RATE = 16000
SECONDS = 9.01  # of a segment; shorter recordings are repeated
LENGTH = int(SECONDS * SAMPLE_RATE)
FRAME, HOP = 320, 160  # samples
FRAMES, FRAMES_APART = 900, 100  # of a segment; between the starts of two
POOLED = 4  # frames that the shared layers pool into one
EDGE = 2  # pooled frames at each end that see the padding
BLOCK = 64 * POOLED  # frames that the shared layers process at once, so that the output stays in the processor's cache
GROUP = 64  # segments whose features are kept at once

CALIBRATION = {  # of the raw outputs to opinion scores, highest power first
    "sig": (-0.08397278, 1.22083953, 0.0052439),
    "bak": (-0.13166888, 1.60915514, -0.39604546),
    "ovrl": (-0.06766283, 1.11546468, 0.04602535),
}


@dataclass(frozen=True)
class DnsmosScore:
    """Predicted mean opinion scores, 1 to 5: of the speech, the background and both (P.835), and by P.808."""

    ovrl: float
    sig: float
    bak: float
    p808: float


class Dnsmos:
    """The loaded networks."""

    def __init__(self, threads: int = 1) -> None:
        models = importlib.resources.files("speechmos") / "dnsmos_models"
        shared, rest = _halves((models / "sig_bak_ovr.onnx").read_bytes())
        self._shared, self._rest = _session(shared, threads), _session(rest, threads)
        self._p808 = _session((models / "model_v8.onnx").read_bytes(), threads)

    def __call__(self, wav: np.ndarray) -> DnsmosScore:
        """Predict the scores of (T_wav,) float32 at 16 kHz, one sample or more."""
        while len(wav) < LENGTH:
            wav = np.concatenate([wav, wav])
        starts = list(_starts(len(wav)))
        p835, p808 = [], []
        for first in range(0, len(starts), GROUP):
            group = starts[first : first + GROUP]
            p835 += [self._run(self._rest, features)[0] for features in self._features(wav, group)]
            p808 += [self._run(self._p808, _decibels(wav[s * SAMPLE_RATE :][: LENGTH - HOP]))[0, 0] for s in group]
        sig, bak, ovrl = (
            float(np.polyval(curve, column).mean()) for curve, column in zip(CALIBRATION.values(), np.array(p835).T)
        )
        return DnsmosScore(ovrl, sig, bak, float(np.mean(p808)))

    def _features(self, wav: np.ndarray, starts: list[int]) -> Iterator[np.ndarray]:
        """Yield the output of the shared layers for each segment, (1, channels, FRAMES / POOLED, bands) float32."""
        frames = np.lib.stride_tricks.sliding_window_view(wav, FRAME)[::HOP]  # (T, FRAME)
        origin, end = starts[0] * FRAMES_APART, starts[-1] * FRAMES_APART + FRAMES
        margin = EDGE * POOLED
        blocks = []
        for start in range(origin, end, BLOCK):
            stop = min(start + BLOCK, end)
            left, right = max(start - margin, origin), min(stop + margin, end)
            made = self._run(self._shared, frames[None, left:right])
            blocks.append(made[:, :, (start - left) // POOLED : (stop - left) // POOLED])
        whole = np.concatenate(blocks, axis=2)
        for second in starts:
            start = second * FRAMES_APART
            ends = np.stack([frames[start:][: 2 * margin], frames[start + FRAMES - 2 * margin :][: 2 * margin]])
            head, tail = self._run(self._shared, ends)
            place = (start - origin) // POOLED
            segment = whole[:, :, place : place + FRAMES // POOLED].copy()
            segment[0, :, :EDGE], segment[0, :, -EDGE:] = head[:, :EDGE], tail[:, -EDGE:]
            yield segment

    @staticmethod
    def _run(session: InferenceSession, given: np.ndarray) -> np.ndarray:
        made: Any = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(given, np.float32)})
        return made[0]


def _starts(n_samples: int) -> Iterator[int]:
    """Yield the seconds at which speechmos starts a segment, without those that its floating point rounds away."""
    for second in range(int(n_samples // SAMPLE_RATE - SECONDS) + 1):
        if int((second + SECONDS) * SAMPLE_RATE) - second * SAMPLE_RATE >= LENGTH:
            yield second


def _decibels(wav: np.ndarray) -> np.ndarray:
    """Return the input of the P.808 network for a segment: (1, FRAMES, 120) mel decibels below its loudest, scaled."""
    provide_numba_cache()
    import librosa

    power = librosa.feature.melspectrogram(y=wav, sr=SAMPLE_RATE, n_fft=FRAME + 1, hop_length=HOP, n_mels=120)
    return ((librosa.power_to_db(power, ref=np.max) + 40) / 40).T[None]


def _halves(network: bytes) -> tuple[bytes, bytes]:
    """Split the P.835 network: the layers from any number of frames to the second pooling, and the rest."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_from_string(network)
    nodes = list(model.graph.node)
    framed = next(n for n, node in enumerate(nodes) if node.op_type == "Concat")
    pools = [n for n, node in enumerate(nodes) if node.op_type == "MaxPool"]
    ends = (framed, pools[1], len(nodes) - 1)

    def half(first: int, last: int) -> bytes:
        kept = nodes[first + 1 : last + 1]
        used = set(itertools.chain.from_iterable(node.input for node in kept))
        given = helper.make_tensor_value_info(nodes[first].output[0], TensorProto.FLOAT, None)
        made = helper.make_tensor_value_info(nodes[last].output[0], TensorProto.FLOAT, None)
        weights = [weight for weight in model.graph.initializer if weight.name in used]
        graph = helper.make_graph(kept, "half", [given], [made], weights)
        return helper.make_model(
            graph, opset_imports=model.opset_import, ir_version=model.ir_version
        ).SerializeToString()

    return half(*ends[:2]), half(*ends[1:])


def _session(model: bytes, threads: int) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
