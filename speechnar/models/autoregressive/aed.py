"""A hybrid CTC/attention recognizer, which writes one token after another. It is here to be compared with.

Source: Watanabe et al. 2017, "Hybrid CTC/Attention Architecture", sections II and III.
Differs: CTC has its say over whole hypotheses at the end of the beam search, not over each of their beginnings; the
    decoder finds frames by the place that CTC gives them among the tokens (`speechnar.layers.cross_attention`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.cross_attention import Memory, listen
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig, EncoderOutput
from speechnar.layers.token_decoder import DecoderBlock, DecoderConfig, KeyValues, positions
from speechnar.losses.ctc import SMOOTHING, Targets
from speechnar.nar.lengths import length_mask


@dataclass(frozen=True)
class AEDConfig:
    """Encoder and decoder. `n_symbols` comes from the data: a training config leaves it out."""

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()
    decoder: DecoderConfig = DecoderConfig()


@dataclass(frozen=True)
class BeamOptions:
    """How to search.

    Attributes:
        beam: hypotheses that go on; 1 is greedy.
        ctc_weight: of CTC's log-probability of a whole hypothesis, against the decoder's, in [0, 1].
    """

    beam: int = 10
    ctc_weight: float = 0.3

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise ValueError(f"beam is {self.beam} but should be 1 or more")
        if not 0 <= self.ctc_weight <= 1:
            raise ValueError(f"ctc_weight is {self.ctc_weight} but should be from 0 to 1")


class AED(nn.Module):
    """`encoder` hears; `decode` gives the next token after each beginning; `search` writes."""

    def __init__(self, config: AEDConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CTCEncoder(config.encoder, audio, config.n_symbols)
        d = config.decoder.d_model
        self.memory = nn.Linear(config.encoder.conformer.d_model, d)
        self.embedding = nn.Embedding(config.n_symbols, d)
        self.dropout = nn.Dropout(config.decoder.dropout)
        self.blocks = nn.ModuleList(DecoderBlock(config.decoder) for _ in range(config.decoder.n_layers))
        self.norm = nn.LayerNorm(d)
        self.out = nn.Linear(d, config.n_symbols)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Features (B, T_mel, n_mels) of `encoder.features` to what CTC says and the decoder listens to."""
        return self.encoder(mel, mel_lengths)

    def listen(self, heard: EncoderOutput, blank_id: int) -> Memory:
        """What `decode` needs of the encoder's output."""
        return listen(self.memory(heard.hidden), heard, blank_id, self.blocks)

    def decode(self, memory: Memory, tokens: Tensor) -> Tensor:
        """Training: tokens (B, N) that begin with `<s>` to logits (B, N, V) of the token after each."""
        size = tokens.shape[1]
        causal = torch.ones(size, size, dtype=torch.bool, device=tokens.device).tril()
        logits, _ = self._step(tokens, memory, memory.nearness(size), causal, None)
        return logits

    def search(self, heard: EncoderOutput, bos_id: int, eos_id: int, blank_id: int, options: BeamOptions) -> list[int]:
        """Writes one utterance.

        Args:
            heard: of a batch of one, without padding.

        Returns:
            Token ids, without `<s>` and `</s>`; no more than there are encoder frames.
        """
        device, frames = heard.hidden.device, heard.hidden.shape[1]
        memory = self.listen(heard, blank_id)
        nearness = memory.nearness(frames + 1)
        tokens = torch.tensor([[bos_id]], device=device)
        scores = torch.zeros(1, device=device)
        past: list[KeyValues] | None = None
        finished: list[tuple[float, list[int]]] = []
        for written in range(frames + 1):
            near = nearness[:, :, written : written + 1]
            logits, past = self._step(tokens[:, -1:], memory.repeated(len(tokens)), near, None, past)
            total = scores[:, None] + logits[:, -1].log_softmax(1)
            best, place = total.flatten().topk(min(options.beam, total.numel()))
            rows, symbols = place // total.shape[1], place % total.shape[1]
            ends = symbols == eos_id
            finished += [
                (float(score), tokens[row, 1:].tolist()) for score, row in zip(best[ends], rows[ends].tolist())
            ]
            going = ~ends
            # Log-probabilities only fall: once enough have ended better than what goes on, nothing will overtake them.
            enough = sorted((score for score, _ in finished), reverse=True)[options.beam - 1 : options.beam]
            if not going.any() or (enough and float(best[going].max()) < enough[0]):
                break
            rows, scores = rows[going], best[going]
            tokens = torch.cat([tokens[rows], symbols[going][:, None]], dim=1)
            past = [kv.of(rows) for kv in past]
        if not finished:
            finished = [(float(score), row[1 : frames + 1]) for score, row in zip(scores, tokens.tolist())]
        return self._rescored(heard, finished, blank_id, options.ctc_weight)

    def _rescored(
        self, heard: EncoderOutput, finished: list[tuple[float, list[int]]], blank_id: int, weight: float
    ) -> list[int]:
        """The hypothesis that CTC and the decoder together find best."""
        if len(finished) == 1 or not weight:
            return max(finished)[1]
        frames, device = heard.log_probs.shape[1], heard.log_probs.device
        log_probs = heard.log_probs.expand(len(finished), -1, -1).transpose(0, 1)
        targets = [torch.tensor(ids, dtype=torch.long) for _, ids in finished]
        padded = torch.nn.utils.rnn.pad_sequence(targets, batch_first=True).to(device)
        lengths = torch.tensor([len(target) for target in targets])
        costs = F.ctc_loss(log_probs, padded, torch.full_like(lengths, frames), lengths, blank_id, "none")
        totals = [(1 - weight) * score - weight * float(cost) for (score, _), cost in zip(finished, costs)]
        return finished[max(range(len(totals)), key=totals.__getitem__)][1]

    def _step(
        self,
        tokens: Tensor,
        memory: Memory,
        near: Tensor,
        allowed: Tensor | None,
        past: list[KeyValues] | None,
    ) -> tuple[Tensor, list[KeyValues]]:
        """Logits after each of `tokens` (B, N), which follow those in `past`; and what the next step may look at."""
        x = self.embedding(tokens)
        start = past[0].keys.shape[2] if past else 0
        x = self.dropout(x + positions(x, start))
        seen = []
        for number, block in enumerate(self.blocks):
            x, keys_values = block(x, allowed, memory.layers[number], near, past[number] if past else None)
            seen.append(keys_values)
        return self.out(self.norm(x)).float(), seen


def causal_terms(model: AED, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Tensor]:
    """Return `decoder`: the cross-entropy of each token, and of the end, given those before; smoothed targets."""
    tokens, token_lengths, symbols = targets.tokens, targets.token_lengths, targets.symbols
    given = F.pad(tokens, (1, 0), value=symbols.bos_id)
    wanted = F.pad(tokens, (0, 1)).scatter(1, token_lengths[:, None], symbols.eos_id)
    real = length_mask(token_lengths + 1, wanted.shape[1])
    logits = model.decode(model.listen(encoder_out, symbols.blank_id), given)
    return {"decoder": F.cross_entropy(logits[real], wanted[real], label_smoothing=SMOOTHING)}
