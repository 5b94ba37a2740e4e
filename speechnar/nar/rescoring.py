"""How far a conditional masked decoder agrees with whole drafts: all tokens of all drafts in one pass.

    draft      s  i  x  t  y
    readings   _  i  _  t  _     each token is masked in one reading of its draft,
               s  _  x  _  y     where the decoder says what it would write there

Source: pseudo-log-likelihood: Salazar et al. 2020, "Masked Language Model Scoring", section 2.
Differs: a reading masks all tokens, or every second one and so on, and not one alone, so that the number of readings
    does not grow with the draft: these are the masks that Mask-CTC is trained with. A token is compared with what the
    decoder would write in its place: the sum of log-probabilities alone would prefer short drafts.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechnar.nar.lengths import length_mask
from speechnar.nar.masking import Decode


def agreement(tokens: Tensor, token_lengths: Tensor, decode: Decode, readings: int, mask_id: int) -> Tensor:
    """How much less probable the tokens are, each where it is masked, than the most probable symbol there.

    Args:
        tokens: (B, N) drafts, padding of any value; token_lengths: (B,).
        decode: is called once, with (B * readings, N); row `b * readings + r` is reading r of draft b.
        readings: 1 masks all tokens at once.

    Returns:
        (B,) natural logarithms of ratios, 0 where the decoder would have written the draft, and for an empty one.
    """
    batch, size = tokens.shape
    places = torch.arange(size, device=tokens.device)
    masked = places % readings == torch.arange(readings, device=tokens.device)[:, None]
    masked = masked & length_mask(token_lengths, size)[:, None]  # (B, readings, N)
    read = tokens[:, None].where(~masked, mask_id).flatten(0, 1)
    log_probs = decode(read, token_lengths.repeat_interleave(readings)).unflatten(0, (batch, readings))
    said = log_probs.gather(3, tokens[:, None, :, None].expand(-1, readings, -1, -1))[..., 0]
    return (said - log_probs.amax(3)).where(masked, 0.0).sum((1, 2))
