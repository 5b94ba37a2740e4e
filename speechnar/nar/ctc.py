"""The best alignment of a text with the frames of CTC.

Source: Graves et al. 2006, "Connectionist temporal classification", section 4.1, with the maximum in place of the sum.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from speechnar.nar.compiled import compiled


def best_alignment(log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor, blank_id: int) -> Tensor:
    """Return the most probable of the paths that spell a text: the token or the blank of each frame.

    Args:
        log_probs: (B, T, V) natural logarithms; lengths: (B,) frames.
        tokens: (B, N), padding of any value; token_lengths: (B,).

    Returns:
        (B, T) int64; `blank_id` in padding, and throughout where the frames are too few for the text.
    """
    with_blanks = torch.full((len(tokens), 2 * tokens.shape[1] + 1), blank_id, device=tokens.device)
    with_blanks[:, 1::2] = tokens
    spelled = log_probs.gather(
        2, with_blanks.clamp(0, log_probs.shape[2] - 1)[:, None].expand(-1, log_probs.shape[1], -1)
    )
    path = np.full(log_probs.shape[:2], blank_id)
    arrays = (t.detach().cpu().contiguous().numpy() for t in (spelled.float(), lengths, with_blanks, token_lengths))
    _best_paths(*arrays, path)  # type: ignore[call-arg]
    return torch.from_numpy(path).to(log_probs.device)


@compiled
def _best_paths(log_probs, lengths, states, token_lengths, path):  # type: ignore[no-untyped-def]
    """Fill `path` (B, T), which begins as blanks.

    `log_probs` (B, T, 2 N + 1) are those of the `states` (B, 2 N + 1): a blank, the first token, a blank ...
    """
    for b in range(len(log_probs)):
        n_frames, n_states = lengths[b], 2 * token_lengths[b] + 1
        if n_frames == 0:
            continue
        here, ids = log_probs[b], states[b]
        value = np.full(n_states, -np.inf)
        following = np.empty(n_states)
        steps = np.zeros((n_frames, n_states), np.int8)
        value[0] = here[0, 0]
        if n_states > 1:
            value[1] = here[0, 1]
        for t in range(1, n_frames):
            for n in range(n_states):
                best, step = value[n], 0
                if n > 0 and value[n - 1] > best:
                    best, step = value[n - 1], 1
                if n > 1 and n % 2 and ids[n] != ids[n - 2] and value[n - 2] > best:
                    best, step = value[n - 2], 2
                following[n], steps[t, n] = best + here[t, n], step
            value, following = following, value
        state = n_states - 1
        if state > 0 and value[state - 1] > value[state]:
            state -= 1
        if value[state] == -np.inf:
            continue
        for t in range(n_frames - 1, -1, -1):
            path[b, t] = ids[state]
            state -= steps[t, state]
