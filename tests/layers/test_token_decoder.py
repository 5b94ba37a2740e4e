"""A decoder that sees CTC begins with copies of CTC's tokens; one that does not is as it was."""

from __future__ import annotations

import pytest
import torch

from speechnar.layers.ctc_encoder import EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.frame_decoder import FrameDecoder
from speechnar.layers.posterior_decoder import PosteriorDecoder
from speechnar.layers.token_decoder import TokenDecoder

SYMBOLS, D = 12, 64
PATH = [0, 3, 3, 0, 5, 1, 1, 1, 0, 7, 0, 11]
TOKENS = [3, 5, 1, 7, 11]


def config(sees_ctc: bool) -> DecoderConfig:
    return DecoderConfig(D, 4, 2, 32, dropout=0.0, sees_ctc=sees_ctc)


def encoder_out() -> EncoderOutput:
    torch.manual_seed(0)
    probs = torch.full((1, len(PATH), SYMBOLS), 0.02)
    probs[0, range(len(PATH)), PATH] = 0.78
    return EncoderOutput(torch.randn(1, len(PATH), 16), None, probs.log(), ())


def test_compressed_posteriors_are_decoded_to_ctc_s_tokens_before_any_training() -> None:
    decoder = PosteriorDecoder(config(True), 16, SYMBOLS).eval()
    made = decoder(encoder_out(), torch.tensor([PATH]), blank_id=0)
    assert made.lengths.tolist() == [5] and made.logits.argmax(2).tolist() == [TOKENS]


def test_the_symbols_of_frames_are_copied_before_any_training() -> None:
    decoder = FrameDecoder(config(True), 16, SYMBOLS).eval()
    found = decoder(encoder_out(), torch.tensor([PATH])).argmax(2)[0]
    assert int((found == torch.tensor(PATH)).sum()) >= 10  # of 12


@pytest.mark.parametrize("sees_ctc", [False, True])
def test_cross_attention_depends_on_ctc_only_if_it_sees_it(sees_ctc: bool) -> None:
    torch.manual_seed(0)
    decoder = TokenDecoder(config(sees_ctc), 16, SYMBOLS).eval()
    given = encoder_out()
    other = EncoderOutput(given.hidden, None, given.log_probs.roll(1, 2), ())
    positions = torch.zeros(1, len(PATH))
    same = [decoder.memory(each, 0, positions).layers[0].keys for each in (given, other)]
    assert torch.equal(*same) != sees_ctc
