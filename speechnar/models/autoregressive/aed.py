"""A hybrid CTC/attention recognizer, which predicts one token after another: the autoregressive twin of Mask-CTC.

Source: Watanabe et al. 2017, "Hybrid CTC/Attention Architecture", sections II and III.
Differs: CTC scores whole hypotheses at the end of the beam search, not each prefix during it; the decoder finds encoder
    frames by the token position that CTC gives them (`speechnar.layers.cross_attention`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.cross_attention import Memory
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig, KeyValues
from speechnar.layers.old_names import accept_old_names
from speechnar.layers.token_decoder import OLD_NAMES, TokenDecoder
from speechnar.losses.ctc import SMOOTHING, Targets
from speechnar.losses.mean import Mean
from speechnar.nar.lengths import length_mask


@dataclass(frozen=True)
class AEDConfig:
    """Sizes of the encoder and the decoder. `n_symbols` comes from the data: a training config leaves it out."""

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()
    decoder: DecoderConfig = DecoderConfig()


@dataclass(frozen=True)
class BeamOptions:
    """Options of the beam search.

    Attributes:
        beam: number of hypotheses that are kept in each step; 1 is greedy search.
        ctc_weight: weight, in [0, 1], of CTC's log-probability of a whole hypothesis against the decoder's.
    """

    beam: int = 10
    ctc_weight: float = 0.3

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise ValueError(f"beam is {self.beam} but should be 1 or more")
        if not 0 <= self.ctc_weight <= 1:
            raise ValueError(f"ctc_weight is {self.ctc_weight} but should be from 0 to 1")


class AED(nn.Module):
    """`forward` encodes features, `decode` scores given tokens in training, `search` finds the best text."""

    def __init__(self, config: AEDConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CTCEncoder(config.encoder, audio, config.n_symbols)
        self.decoder = TokenDecoder(config.decoder, config.encoder.conformer.d_model, config.n_symbols)
        accept_old_names(self, OLD_NAMES)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Encode features (B, T_mel, n_mels) of `encoder.features`."""
        return self.encoder(mel, mel_lengths)

    def memory(self, encoder_out: EncoderOutput, blank_id: int) -> Memory:
        """Return the input of the decoder's cross-attention; see `TokenDecoder.memory`."""
        return self.decoder.memory(encoder_out, blank_id)

    def decode(self, memory: Memory, tokens: Tensor) -> Tensor:
        """Return logits (B, N, V) of the token after each of the tokens (B, N), which begin with `<s>`."""
        size = tokens.shape[1]
        causal = torch.ones(size, size, dtype=torch.bool, device=tokens.device).tril()
        hidden, _ = self.decoder(tokens, memory, memory.distance_bias(size), causal)
        return self.decoder.out(hidden).float()

    def search(
        self, encoder_out: EncoderOutput, bos_id: int, eos_id: int, blank_id: int, options: BeamOptions
    ) -> list[int]:
        """Search for the best text of one utterance.

        Args:
            encoder_out: a batch of one, without padding.

        Returns:
            Token ids, without `<s>` and `</s>`, at most as many as encoder frames.
        """
        device, frames = encoder_out.hidden.device, encoder_out.hidden.shape[1]
        memory = self.memory(encoder_out, blank_id)
        bias = memory.distance_bias(frames + 1)
        tokens = torch.tensor([[bos_id]], device=device)
        scores = torch.zeros(1, device=device)
        past: list[KeyValues] | None = None
        finished: list[tuple[float, list[int]]] = []
        for written in range(frames + 1):
            now = bias[:, :, written : written + 1]
            hidden, past = self.decoder(tokens[:, -1:], memory.repeated(len(tokens)), now, None, past)
            total = scores[:, None] + self.decoder.out(hidden[:, -1]).float().log_softmax(1)
            best, index = total.flatten().topk(min(options.beam, total.numel()))
            rows, symbols = index // total.shape[1], index % total.shape[1]
            ends = symbols == eos_id
            finished += [
                (float(score), tokens[row, 1:].tolist()) for score, row in zip(best[ends], rows[ends].tolist())
            ]
            going = ~ends
            # Scores only fall: once enough finished hypotheses are better than all unfinished ones, none can overtake.
            enough = sorted((score for score, _ in finished), reverse=True)[options.beam - 1 : options.beam]
            if not going.any() or (enough and float(best[going].max()) < enough[0]):
                break
            rows, scores = rows[going], best[going]
            tokens = torch.cat([tokens[rows], symbols[going][:, None]], dim=1)
            past = [kv.of(rows) for kv in past]
        if not finished:
            finished = [(float(score), row[1 : frames + 1]) for score, row in zip(scores, tokens.tolist())]
        return self._rescored(encoder_out, finished, blank_id, options.ctc_weight)

    def _rescored(
        self, encoder_out: EncoderOutput, finished: list[tuple[float, list[int]]], blank_id: int, weight: float
    ) -> list[int]:
        """Return the hypothesis with the best weighted sum of the scores of CTC and the decoder."""
        if len(finished) == 1 or not weight:
            return max(finished)[1]
        frames, device = encoder_out.log_probs.shape[1], encoder_out.log_probs.device
        log_probs = encoder_out.log_probs.expand(len(finished), -1, -1).transpose(0, 1)
        targets = [torch.tensor(ids, dtype=torch.long) for _, ids in finished]
        padded = torch.nn.utils.rnn.pad_sequence(targets, batch_first=True).to(device)
        lengths = torch.tensor([len(target) for target in targets])
        costs = F.ctc_loss(log_probs, padded, torch.full_like(lengths, frames), lengths, blank_id, "none")
        totals = [(1 - weight) * score - weight * float(cost) for (score, _), cost in zip(finished, costs)]
        return finished[max(range(len(totals)), key=totals.__getitem__)][1]


def causal_terms(model: AED, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Mean]:
    """Return `decoder`: the cross-entropy of each token, and of the end, given those before; smoothed targets."""
    tokens, token_lengths, symbols = targets.tokens, targets.token_lengths, targets.symbols
    given = F.pad(tokens, (1, 0), value=symbols.bos_id)
    wanted = F.pad(tokens, (0, 1)).scatter(1, token_lengths[:, None], symbols.eos_id)
    real = length_mask(token_lengths + 1, wanted.shape[1])
    logits = model.decode(model.memory(encoder_out, symbols.blank_id), given)
    return {"decoder": Mean(F.cross_entropy(logits[real], wanted[real], label_smoothing=SMOOTHING), real.sum())}
