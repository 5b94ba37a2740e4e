"""Prune heads of a Whisper decoder and units of encoder and decoder, and fit what is left to the whole model.

A head is pruned where its mean, in place of its output, hardly changes the decoder's distributions. Of each
perceptron's units a share is pruned, those that the other units make up for best. Block by block, the layers that read
heads and units are then fitted by least squares, so that the residual stream becomes that of the whole model. The
encoder's heads stay: of Whisper base, hardly one of them can be spared.

Pruned weights are zero, and stay so in training. `export` leaves them out (`speechnar.export.pruned`).

Source: heads, Michel et al. 2019, section 3.2; units, optimal brain surgeon (Hassibi and Stork 1993), section 2, several
    at a time; the fit, He et al. 2017 (channel pruning), section 3.1.
Differs: the fit also makes up for what was pruned below, and is drawn toward the weights before it.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from speechnar.data.manifest import load_cuts
from speechnar.export.quantize_whisper import Calibration
from speechnar.infer.encoder_cache import Variant
from speechnar.layers.blocks import AttentionBlock
from speechnar.layers.decoder_block import DecoderBlock
from speechnar.models.asr.whisper import Whisper, halved
from speechnar.models.folder import ModelError, load_model, save_model
from speechnar.text.symbols import SymbolTable
from speechnar.text.whisper_bpe import DECODER_TOKENS, BytePairs, decoder_tokens

HEAD_COST = 0.0006
"""Nats a token that each pruned head alone may cost."""

UNITS = 0.22
"""The share of units that is pruned."""

UTTERANCES = 600
TRIED = 40  # utterances on which heads are tried one by one
RIDGE = 0.1  # share of the power of each input by which a fit is drawn toward the weights before it
DAMPING = 0.001  # share of the mean power that is added to that of each unit, where units are chosen
AT_ONCE = 8  # units that are chosen together
TOGETHER = 64  # pruned units are a multiple of so many, which suits processors

Run = Callable[[nn.Module, int, Tensor], Tensor]
"""Runs a block on the input (1, N, d_model) of an utterance, given by its number too."""


class Reader(NamedTuple):
    """A linear layer of a block that reads heads or units.

    Attributes:
        layer: the layer.
        before: the layers that compute them, and how many vectors of each these compute, such as keys and values.
        width: inputs of a head; 1 for units.
        after: the module that reads the residual stream behind the layer; None where it is the block's output.
    """

    layer: nn.Linear
    before: dict[nn.Linear, int]
    width: int
    after: nn.Module | None

    def columns(self, chosen: Sequence[int]) -> list[int]:
        """Return the inputs of some heads or units."""
        return [number * self.width + n for number in chosen for n in range(self.width)]

    def prune(self, chosen: Sequence[int]) -> None:
        """Set the weights of some heads or units to zero, in place."""
        columns = self.columns(chosen)
        self.layer.weight[:, columns] = 0
        for its, parts in self.before.items():
            its.weight.unflatten(0, (parts, -1))[:, columns] = 0
            its.bias.unflatten(0, (parts, -1))[:, columns] = 0


def readers_of(block: nn.Module, d_head: int) -> list[Reader]:
    """Return the layers of a block of encoder or decoder that read heads or units, in the order of computation."""
    if isinstance(block, AttentionBlock):
        of_heads = [Reader(block.project, {block.qkv: 3}, d_head, block.norm)]
    else:
        block = cast(DecoderBlock, block)
        cross = {block.cross_query: 1, block.cross_kv: 2}
        of_heads = [
            Reader(block.self_project, {block.self_qkv: 3}, d_head, block.cross_norm),
            Reader(block.cross_project, cross, d_head, block.norm),
        ]
    return [*of_heads, Reader(block.contract, {block.expand: 1}, 1, None)]


@contextmanager
def _inputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collect what a module is given."""
    found: list[Tensor] = []
    hook = module.register_forward_pre_hook(lambda _, given: found.append(given[0]))
    yield found
    hook.remove()


@contextmanager
def _constant(layer: nn.Module, columns: Sequence[int], values: Tensor) -> Iterator[None]:
    """Give a layer constants in place of some of its inputs."""

    def changed(_: nn.Module, given: tuple[Tensor, ...]) -> Tensor:
        return given[0].index_copy(-1, torch.tensor(columns), values.expand(*given[0].shape[:-1], -1))

    hook = layer.register_forward_pre_hook(changed)
    yield
    hook.remove()


@torch.no_grad()
def prune_heads(model: Whisper, work: Calibration, cost: float) -> int:
    """Prune the decoder's heads, in place, that alone cost less than so many nats a token; return their number.

    Each layer keeps one head or more.
    """
    texts, states = work.texts[:TRIED], [model.encoder(mel, None) for mel in work.mels[:TRIED]]

    def distributions() -> Tensor:
        read = (model.decoder(text, model.decoder.memory(its), None)[0] for text, its in zip(texts, states))
        return torch.cat(list(read)).log_softmax(1)

    whole = distributions()
    chosen: list[tuple[Reader, list[int]]] = []
    for block in tqdm(model.decoder.blocks, desc="heads", unit="block"):
        for reader in readers_of(block, model.config.d_model // model.config.n_heads)[:-1]:
            with _inputs_of(reader.layer) as inputs:
                distributions()
            mean = torch.cat([each.flatten(0, -2) for each in inputs]).mean(0)
            costs: dict[int, float] = {}
            for head in range(model.config.n_heads):
                columns = reader.columns([head])
                with _constant(reader.layer, columns, mean[columns]):
                    changed = distributions()
                costs[head] = float(F.kl_div(changed, whole, reduction="batchmean", log_target=True))
            cheapest = sorted(costs, key=costs.__getitem__)[:-1]
            chosen.append((reader, [head for head in cheapest if costs[head] < cost]))
    for reader, heads in chosen:
        reader.prune(heads)
    return sum(len(heads) for _, heads in chosen)


@torch.no_grad()
def prune_units(model: Whisper, whole: Whisper, work: Calibration, share: float) -> None:
    """Prune a share of the units of each block, and fit the model to the whole one, in place.

    Args:
        whole: the model that it is fitted to.
    """
    d_head = model.config.d_model // model.config.n_heads
    progress = tqdm(desc="fit", unit="block", total=len(model.encoder.blocks) + len(model.decoder.blocks))

    def fitted(own: nn.ModuleList, its: nn.ModuleList, given: list[Tensor], run: Run) -> list[list[Tensor]]:
        """Fit the blocks of one part to those of the whole model; return the outputs of the two."""
        both = [given, given]
        for block, goal in zip(own, its):
            both = _fit(block, goal, *both, run, d_head, share)
            progress.update()
        return both

    with _inputs_of(whole.encoder.blocks[0]) as frames:
        for mel in work.mels:
            whole.encoder(mel, None)
    both = fitted(model.encoder.blocks, whole.encoder.blocks, frames, lambda block, _, x: block(x, None))
    states = {its: [its.encoder.norm(x) for x in made] for its, made in zip((model, whole), both)}
    pairs = {its: [halved(x[:, : -work.silent_states]) for x in made] for its, made in states.items()}
    _solve(model.draft.merge, pairs[model], [whole.draft.merge(x) for x in pairs[whole]])
    heard = {
        block: [its.decoder.averaged(x) for x in states[its]] for its in (model, whole) for block in its.decoder.blocks
    }

    def read(block: nn.Module, n: int, x: Tensor) -> Tensor:
        allowed = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        return cast(Tensor, block(x, allowed, cast(DecoderBlock, block).memory(heard[block][n]))[0])

    with _inputs_of(whole.decoder.blocks[0]) as embedded:
        for text, its in zip(work.texts, states[whole]):
            whole.decoder(text, whole.decoder.memory(its), None)
    fitted(model.decoder.blocks, whole.decoder.blocks, embedded, read)
    progress.close()


def _fit(
    block: nn.Module, goal: nn.Module, own: list[Tensor], its: list[Tensor], run: Run, d_head: int, share: float
) -> list[list[Tensor]]:
    """Prune units of a block and fit its layers to another block; return the outputs of the two.

    Args:
        own, its: what the two are given, (1, N, d_model) of each utterance.
    """
    with ExitStack() as stack:
        afters = [cast(nn.Module, reader.after) for reader in readers_of(goal, d_head)[:-1]]
        targets = [stack.enter_context(_inputs_of(after)) for after in afters]
        targets.append([run(goal, n, x) for n, x in enumerate(its)])
    for reader, target in zip(readers_of(block, d_head), targets):
        with ExitStack() as stack:
            given = stack.enter_context(_inputs_of(reader.layer))
            behind = stack.enter_context(_inputs_of(reader.after)) if reader.after else []
            outputs = [run(block, n, x) for n, x in enumerate(own)]
        lacking = [t - (x - reader.layer(a)) for t, x, a in zip(target, behind or outputs, given)]
        if reader.after is None:
            reader.prune(_least_units(reader.layer, given, _whole(share * reader.layer.in_features)))
        _solve(reader.layer, given, lacking)
    return [[run(block, n, x) for n, x in enumerate(own)], targets[-1]]


def _whole(number: float) -> int:
    """Return the multiple of `TOGETHER` that is nearest to a number."""
    return round(number / TOGETHER) * TOGETHER


def _least_units(layer: nn.Linear, given: Sequence[Tensor], number: int) -> list[int]:
    """Return the units that the others make up for best, of those that a layer reads.

    Each output of the layer counts by what is lost of its variance.
    """
    weight, size = layer.weight.double(), layer.in_features
    power, total, n = torch.zeros(size, size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64), 0
    for x in (each.flatten(0, -2) for each in given):
        power += (x.T @ x).double()
        total, n = total + x.double().sum(0), n + len(x)
    power = power / n - torch.outer(total, total) / n**2  # the layer's bias has the mean
    weight = weight / ((weight @ power) * weight).sum(1, keepdim=True).clamp(min=1e-12).sqrt()
    inverse = torch.linalg.inv(power + DAMPING * power.diagonal().mean().clamp(min=1e-12) * torch.eye(size).double())
    chosen: list[int] = []
    while len(chosen) < number:
        costs = weight.square().sum(0) / inverse.diagonal()
        costs[chosen] = torch.inf
        least = costs.argsort()[: min(AT_ONCE, number - len(chosen))]
        correction = torch.linalg.solve(inverse[least][:, least], inverse[least])
        weight = weight - weight[:, least] @ correction
        inverse = inverse - inverse[:, least] @ correction
        inverse[least, least] = 1.0
        chosen += least.tolist()
    return chosen


def _solve(layer: nn.Linear, given: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
    """Fit a layer by least squares, in place, but for weights of inputs that it does not read."""
    read = layer.weight.abs().amax(0) > 0
    size = int(read.sum()) + 1
    power, lacking = torch.zeros(size, size).double(), torch.zeros(layer.out_features, size).double()
    for a, target in zip(given, targets):
        x = F.pad(a.flatten(0, -2)[:, read], (0, 1), value=1.0)
        error = target.flatten(0, -2) - layer(a * read).flatten(0, -2)
        power += (x.T @ x).double()
        lacking += (error.T @ x).double()
    power += RIDGE * power.diagonal().diag() + 1e-6 * power.diagonal().mean() * torch.eye(size).double()
    change = torch.linalg.solve(power, lacking.T).T.float()
    layer.weight[:, read] += change[:, :-1]
    layer.bias += change[:, -1]


def prune_recognizer(
    model_dir: Path,
    cuts_path: Path,
    out: Path,
    cost: float = HEAD_COST,
    share: float = UNITS,
    utterances: int = UTTERANCES,
    variant: Variant | None = None,
    goal_dir: Path | None = None,
) -> int:
    """Write the model folder `out`: that of a Whisper recognizer, with heads and units pruned; return how many heads.

    Args:
        cuts_path: a manifest of training utterances, of which `utterances` are drawn at random, always the same ones.
        cost, share: see `prune_heads` and `prune_units`.
        variant: how the audio of every second one is varied.
        goal_dir: the model that the pruned one is fitted to, by default that of `model_dir`: of the same sizes, such as
            the one whose decoder hears all states, where this one hears their means.

    Raises:
        ModelError: `model_dir` is no model folder, or has another kind of model, or one with merged frames.
        DataError: there is no manifest, or audio cannot be read.
    """
    model, config = load_model(model_dir)
    whole, _ = load_model(goal_dir or model_dir)
    if config.spec.graph != "whisper" or model.config.halved_layers:
        raise ModelError(f"{model_dir} holds no Whisper recognizer at 50 states a second: only these are pruned")
    cuts = load_cuts(cuts_path)
    chosen = random.Random(0).sample(cuts, min(utterances, len(cuts)))
    torch.manual_seed(0)
    work = Calibration(model.eval(), chosen, BytePairs.load_lines(decoder_tokens(model_dir)), variant)
    pruned = prune_heads(model, work, cost)
    prune_units(model, whole.eval(), work, share)
    save_model(out, config, model, SymbolTable.load(model_dir / "tokens.txt"))
    shutil.copy(decoder_tokens(model_dir), out / DECODER_TOKENS)
    return pruned
