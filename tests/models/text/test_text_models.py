"""Every text model: padding, gradients, and what is particular to one."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from speechnar.audio import AudioConfig
from speechnar.layers.transformer import TransformerConfig, uniform_copy
from speechnar.losses.mean import Mean
from speechnar.losses.pairs import Pairs
from speechnar.models.specs import MODELS
from speechnar.nar.schedules import Schedule
from speechnar.text.symbols import BLANK, BOS, EOS, MASK, PAD, Vocabulary

VOCABULARY = Vocabulary((BLANK, *"▁abcd", MASK, PAD, BOS, EOS))
SMALL = TransformerConfig(d_model=8, n_heads=2, d_ff=16, encoder_layers=1, decoder_layers=2, dropout=0.0)
WHOLE = ("oaxe", "bag_of_ngrams", "edit_invariant")
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "transformer": ("transformer", {}),
    "groups": ("transformer", {"group": 3}),
    "ctc": ("text_ctc", {}),
    "ctc_glat": ("text_ctc", {"glancing": Schedule(0.5, 0.3)}),
    "axe": ("text_ctc", {"objective": "axe"}),
    "cmlm": ("cmlm", {}),
    "glat": ("glat", {}),
    "fertility": ("glat", {"fertility": 3}),
    **{f"{name}_{of}": (name, {"objective": of}) for name in ("cmlm", "glat") for of in WHOLE},
    "da_transformer": ("da_transformer", {"transition_heads": 2}),
    "levenshtein": ("text_levenshtein", {"longest_run": 7}),
    "levenshtein_oaxe": ("text_levenshtein", {"longest_run": 7, "objective": "oaxe"}),
}


def built(kind: str) -> tuple[Any, Any]:
    torch.manual_seed(0)
    name, changes = KINDS[kind]
    spec = MODELS[name]
    return spec.build(spec.config(len(VOCABULARY), SMALL, **changes), AudioConfig()), spec


def pairs(rows: slice = slice(None)) -> Pairs:
    generator = torch.Generator().manual_seed(1)
    source, tokens = (torch.randint(1, 6, (3, 6), generator=generator) for _ in range(2))
    lengths, token_lengths = torch.tensor([6, 3, 4])[rows], torch.tensor([4, 5, 2])[rows]
    source, tokens = source[rows, : int(lengths.max())], tokens[rows, : int(token_lengths.max())]
    return Pairs(source, lengths, tokens, token_lengths, VOCABULARY)


def terms(model: Any, spec: Any, given: Pairs) -> dict[str, Tensor | Mean]:
    torch.manual_seed(2)
    return {name: term for loss in spec.losses for name, term in loss(model, given).items()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_reaches_every_parameter(kind: str) -> None:
    model, spec = built(kind)
    found = terms(model, spec, pairs())
    values = [term.value if isinstance(term, Mean) else term for term in found.values()]
    assert all(value.isfinite() and value > 0 for value in values)
    torch.stack(values).sum().backward()
    missing = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not missing


@pytest.mark.parametrize("kind", ["transformer", "groups", "ctc", "axe", "da_transformer"])
def test_padding_does_not_change_a_loss(kind: str) -> None:
    model, spec = built(kind)
    if kind == "da_transformer":
        object.__setattr__(model.config, "glancing", Schedule(0.0, 0.0))  # glancing is at random
    ((batch,),) = [terms(model, spec, pairs()).values()]
    total = float(batch) * int(batch.count)
    alone = 0.0
    for row in range(3):
        ((term,),) = [terms(model, spec, pairs(slice(row, row + 1))).values()]
        alone += float(term) * int(term.count)
    assert total == pytest.approx(alone, rel=1e-5)


def outputs(model: Any, name: str, given: Pairs) -> tuple[Tensor, Tensor]:
    """The logits, distributions and edges that the decoders read of a model, (B, N, V), and the real lengths."""
    encoded = model(given.source, given.source_lengths)
    if name == "text_ctc":
        frames = model.frames(encoded)
        return frames.log_probs, frames.lengths
    if name == "da_transformer":
        graph = model.graph(encoded)
        size = graph.transitions.shape[1]
        edges = torch.nn.functional.pad(graph.transitions, (0, 48 - size))
        return torch.cat([graph.log_probs, edges.nan_to_num(neginf=0.0)], 2), graph.lengths
    tokens = given.tokens.clone()
    tokens[:, 1] = VOCABULARY.mask_id
    logits = model.decode(model.memory(encoded), tokens, given.token_lengths, VOCABULARY.mask_id).logits
    told = torch.nn.functional.pad(model.length.log_probs(encoded), (0, 9))[:, None, :7].expand(-1, logits.shape[1], -1)
    return torch.cat([logits, told.nan_to_num(neginf=0.0)], 2), given.token_lengths


@pytest.mark.parametrize("kind", ["ctc", "cmlm", "glat", "fertility", "da_transformer"])
@torch.no_grad()
def test_a_source_in_a_batch_gives_what_it_gives_alone(kind: str) -> None:
    model, _ = built(kind)
    together, lengths = outputs(model, KINDS[kind][0], pairs())
    for row in range(3):
        alone, _ = outputs(model, KINDS[kind][0], pairs(slice(row, row + 1)))
        size = int(lengths[row])
        torch.testing.assert_close(together[row, :size], alone[0, :size], atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_edges_of_a_vertex_are_a_distribution_over_later_vertices() -> None:
    model, _ = built("da_transformer")
    given = pairs()
    graph = model.graph(model(given.source, given.source_lengths))
    for row, length in enumerate(graph.lengths.tolist()):
        edges = graph.transitions[row].exp()
        torch.testing.assert_close(edges[: length - 1].sum(1), torch.ones(length - 1))
        assert not edges.tril().any() and not edges[:, length:].any() and not edges[length - 1].any()


@torch.no_grad()
def test_an_autoregressive_score_is_the_sum_of_its_steps() -> None:
    model, _ = built("transformer")
    given = pairs()
    encoded = model(given.source, given.source_lengths)
    scores = model.score(encoded, given.tokens, given.token_lengths, VOCABULARY)
    for row, length in enumerate(given.token_lengths.tolist()):
        one = model(given.source[row : row + 1, : int(given.source_lengths[row])], given.source_lengths[row : row + 1])
        memory, past, total = model.memory(one), None, 0.0
        text = [VOCABULARY.bos_id, *given.tokens[row, :length].tolist(), VOCABULARY.eos_id]
        for token, following in zip(text, text[1:]):
            logits, past = model.extend(memory, torch.tensor([[token]]), past)
            total += float(logits[0, 0].log_softmax(0)[following])
        assert float(scores[row]) == pytest.approx(total, abs=1e-4)


def test_a_copied_source_is_stretched_and_shrunk_evenly() -> None:
    model, _ = built("transformer")
    encoded = model(torch.tensor([[1, 2, 3, 0], [1, 2, 3, 4]]), torch.tensor([3, 4]))
    places = uniform_copy(encoded, torch.tensor([5, 2]), 5)
    for row, wanted in enumerate(([0, 0, 1, 2, 2], [1, 3])):
        assert torch.equal(places[row, : len(wanted)], encoded.hidden[row, wanted])


def test_a_target_that_does_not_fit_the_frames_or_the_graph_counts_as_nothing() -> None:
    for kind in ("ctc", "da_transformer"):
        model, spec = built(kind)
        given = Pairs(torch.tensor([[1]]), torch.tensor([1]), torch.tensor([[1] * 5]), torch.tensor([5]), VOCABULARY)
        ((term,),) = [terms(model, spec, given).values()]
        assert float(term) == 0
        term.value.backward()
        assert all(weight.grad is None or weight.grad.isfinite().all() for weight in model.parameters())


def test_glancing_is_not_combined_with_another_alignment() -> None:
    with pytest.raises(ValueError, match="leave glancing out"):
        MODELS["text_ctc"].config(len(VOCABULARY), SMALL, glancing=Schedule(0.5, 0.3), objective="axe")


@torch.no_grad()
def test_the_loss_of_a_curriculum_is_that_of_its_stage() -> None:
    name, _ = KINDS["groups"]
    spec = MODELS[name]
    given = pairs()
    found = {}
    for group, curriculum in ((3, (1, 2)), (1, ()), (2, ()), (3, ())):
        torch.manual_seed(0)
        model = spec.build(spec.config(len(VOCABULARY), SMALL, group=group, curriculum=curriculum), AudioConfig())
        for progress in (0.0, 0.5, 1.0):
            (term,) = terms(model, spec, dataclasses.replace(given, progress=progress)).values()
            found[group, curriculum, progress] = float(term)
    for group, progress in ((1, 0.0), (2, 0.5), (3, 1.0)):
        assert found[3, (1, 2), progress] == found[group, (), progress]
    assert len({found[group, (), 1.0] for group in (1, 2, 3)}) == 3


def test_masks_and_glancing_follow_the_training() -> None:
    given = pairs()
    total = int(given.token_lengths.sum())
    counts = {}
    for name, key in (("glat", "glancing"), ("cmlm", "least_masked")):
        spec = MODELS[name]
        torch.manual_seed(0)
        model = spec.build(spec.config(len(VOCABULARY), SMALL, **{key: Schedule(0.0, 1.0)}), AudioConfig())
        for progress in (0.0, 1.0):
            term = terms(model, spec, dataclasses.replace(given, progress=progress))["decoder"]
            counts[name, progress] = int(term.count)  # of tokens that are predicted
    assert counts["glat", 0.0] == total > counts["glat", 1.0]
    assert counts["cmlm", 0.0] < total == counts["cmlm", 1.0]
