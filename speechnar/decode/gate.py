"""The entropy gate: where CTC is certain of an utterance, its best path is the text, and no decoder is run.

Source: early exit by entropy: Xin et al. 2020, "DeeBERT: Dynamic Early Exiting for Accelerating BERT Inference",
    section 3.
Differs: the only exit is before the decoder; the entropy is the mean of the frames in which CTC says a token.
"""

from __future__ import annotations

import numpy as np


def mean_entropy(log_probs: np.ndarray, blank_id: int) -> float:
    """Return the mean entropy of CTC in the frames whose most probable symbol is not the blank, in nats.

    Args:
        log_probs: (T, V) natural logarithms.

    Returns:
        0 to log V; 0 where all frames are blanks.
    """
    spoken = log_probs[log_probs.argmax(axis=1) != blank_id]
    if not len(spoken):
        return 0.0
    spoken = np.maximum(spoken, -1000.0)  # of a probability of 0, which adds nothing
    return float(-(np.exp(spoken) * spoken).sum(axis=1).mean())
