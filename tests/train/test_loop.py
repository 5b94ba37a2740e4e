"""The training loop on a tiny model: it learns, resumes exactly after a kill, and stops in good order."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from speechnar.losses.mean import Mean
from speechnar.train import checkpoint
from speechnar.train.ema import EMA
from speechnar.train.loop import LoopConfig, Phase, TrainingError, train

CONFIG = LoopConfig(
    max_steps=30,
    log_every=1,
    validate_every=15,
    checkpoint_seconds=1e9,
    learning_rate=0.05,
    warmup_steps=5,
    precision="no",
    threads=1,
)


class Regression:
    """Learns a linear map under dropout from shuffled data: random numbers matter in the loss and in the order."""

    def __init__(self, pause: float = 0.0) -> None:
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(28, 4, generator=generator)
        self.targets = self.inputs @ torch.randn(4, 2, generator=generator)
        torch.manual_seed(2)
        self.modules: dict[str, nn.Module] = {"model": nn.Sequential(nn.Dropout(0.2), nn.Linear(4, 2))}
        self.pause = pause
        self.loaded: list[list[int]] = []

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("model", ("model",), self.loss),)

    def loss(self, batch: torch.Tensor, step: int) -> dict[str, torch.Tensor]:
        time.sleep(self.pause)
        return {"mse": (self.modules["model"](batch[:, :4]) - batch[:, 4:]).square().mean()}

    def batches(self, epoch: int):
        return torch.randperm(28, generator=torch.Generator().manual_seed(epoch)).split(4)

    def load(self, items):
        self.loaded.append(items.tolist())
        return torch.cat([self.inputs, self.targets], dim=1)[items]

    def validate(self, modules, writer, step: int) -> dict[str, float]:
        noise = torch.rand(())
        return {"mse": (modules["model"](self.inputs) - self.targets).square().mean().item(), "noise": noise.item()}

    def save(self, folder: Path, modules) -> None:
        checkpoint.save_modules(modules, folder / "model.safetensors")


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def losses_of(folder: Path) -> list[tuple[int, float, float]]:
    """(step, loss, gradient norm) of each training line."""
    return [(x["step"], x["model/loss"], x["model/grad_norm"]) for x in lines_of(folder) if "model/loss" in x]


def run_elsewhere(folder: Path, seconds: float = 0.1) -> subprocess.Popen:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_loop import *\n"
        f"config = dataclasses.replace(CONFIG, checkpoint_seconds={seconds})\n"
        f"train(Regression(pause=0.05), config, Path({str(folder)!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=environment)


def wait_for_step(folder: Path, step: int, process: subprocess.Popen) -> None:
    """Until the log has reached `step`."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if (folder / "log.jsonl").exists() and (folder / "log.jsonl").read_text().count("\n") >= step:
            return
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)
    raise AssertionError(f"no step {step} in two minutes")


def test_learns_and_keeps_the_model(tmp_path: Path) -> None:
    train(Regression(), dataclasses.replace(CONFIG, max_steps=150, ema_decay=0.9), tmp_path)
    validation = [line["validation/mse"] for line in lines_of(tmp_path) if "validation/mse" in line]
    assert len(validation) == 10
    assert validation[-1] < 0.2 * validation[0]
    task = Regression()
    checkpoint.load_modules(task.modules, tmp_path / "model.safetensors")
    kept = (task.modules["model"].eval()(task.inputs) - task.targets).square().mean().item()
    assert kept == pytest.approx(validation[-1], rel=1e-5)
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_killed_and_restarted_has_the_same_losses(tmp_path: Path) -> None:
    train(Regression(), CONFIG, tmp_path / "whole")
    folder = tmp_path / "killed"
    for step in (7, 17):
        process = run_elsewhere(folder)
        wait_for_step(folder, step, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = json.loads((checkpoint.latest(folder / "checkpoint") / "state.json").read_text())["step"]
        assert 0 < done < 30
    task = Regression()
    train(task, CONFIG, folder)
    assert task.loaded[0] == task.batches(done // 7)[done % 7].tolist()
    assert losses_of(folder) == losses_of(tmp_path / "whole")
    assert [x for x in lines_of(folder) if "validation/mse" in x] == [
        x for x in lines_of(tmp_path / "whole") if "validation/mse" in x
    ]


def test_means_in_the_log_survive_a_restart(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, log_every=10)
    train(Regression(), config, tmp_path / "whole")
    train(Regression(), CONFIG, tmp_path / "each")
    for limit in (0.0, None):  # stops after one step, then goes on
        train(Regression(), dataclasses.replace(config, max_minutes=limit), tmp_path / "parts")
    assert losses_of(tmp_path / "parts") == losses_of(tmp_path / "whole")
    each = [loss for _, loss, _ in losses_of(tmp_path / "each")]
    for number, (step, mean, _) in enumerate(losses_of(tmp_path / "whole")):
        assert step == 10 * (number + 1)
        assert mean == pytest.approx(sum(each[10 * number : 10 * number + 10]) / 10)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupt_writes_a_checkpoint(tmp_path: Path, number: signal.Signals, code: int) -> None:
    process = run_elsewhere(tmp_path, seconds=1e9)
    wait_for_step(tmp_path, 3, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "run again to go on" in errors and "Traceback" not in errors
    state = json.loads((tmp_path / "checkpoint" / "state.json").read_text())
    assert state["step"] == lines_of(tmp_path)[-1]["step"]


def test_time_limit_stops_with_checkpoint_and_model(tmp_path: Path) -> None:
    train(Regression(), dataclasses.replace(CONFIG, max_minutes=0.0), tmp_path)
    assert json.loads((tmp_path / "checkpoint" / "state.json").read_text())["step"] == 1
    assert (tmp_path / "model.safetensors").exists()


def test_finished_run_does_nothing_and_no_resume_starts_again(tmp_path: Path) -> None:
    train(Regression(), CONFIG, tmp_path)
    first, log = losses_of(tmp_path), (tmp_path / "log.jsonl").read_text()
    train(Regression(), CONFIG, tmp_path)
    assert (tmp_path / "log.jsonl").read_text() == log
    train(Regression(), CONFIG, tmp_path, resume=False)
    assert losses_of(tmp_path) == first


def test_checkpoint_interrupted_between_renames_is_found(tmp_path: Path) -> None:
    train(Regression(), dataclasses.replace(CONFIG, max_minutes=0.0), tmp_path)
    (tmp_path / "checkpoint").rename(tmp_path / "checkpoint.old")
    (tmp_path / "checkpoint.part").mkdir()
    task = Regression()
    train(task, CONFIG, tmp_path)
    assert task.loaded[0] == task.batches(0)[1].tolist()
    assert sorted(p.name for p in tmp_path.glob("checkpoint*")) == ["checkpoint"]


def test_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    train(Regression(), dataclasses.replace(CONFIG, max_minutes=0.0), tmp_path)
    task = Regression()
    task.modules = {"model": nn.Sequential(nn.Dropout(0.2), nn.Linear(4, 3))}
    with pytest.raises(
        checkpoint.CheckpointError, match=r"weights\.safetensors does not fit this model .* size mismatch"
    ):
        train(task, CONFIG, tmp_path)


class Adversarial(Regression):
    """A generator and a discriminator; the generator's phase uses what the discriminator's computed."""

    def __init__(self) -> None:
        super().__init__()
        self.modules = {"generator": nn.Linear(4, 2), "discriminator": nn.Linear(2, 1)}
        self.seen: list[tuple[str, bool]] = []

    def phases(self) -> tuple[Phase, ...]:
        return (
            Phase("discriminator", ("discriminator",), self.discriminate),
            Phase("generator", ("generator",), self.generate, weights={"adversary": 0.5, "figure": 0.0}),
        )

    def discriminate(self, batch, step):
        self.fake = self.modules["generator"](batch[:, :4])
        judge = self.modules["discriminator"]
        return {"real": (judge(batch[:, 4:]) - 1).square().mean(), "fake": judge(self.fake.detach()).square().mean()}

    def generate(self, batch, step):
        adversary = (self.modules["discriminator"](self.fake) - 1).square().mean()
        return {"adversary": adversary, "mse": (self.fake - batch[:, 4:]).square().mean(), "figure": torch.tensor(3.0)}

    def validate(self, modules, writer, step):
        return {"mse": (modules["generator"](self.inputs) - self.targets).square().mean().item()}


def test_two_phases_train_their_own_modules_alone(tmp_path: Path) -> None:
    """Against the same two updates written by hand with torch alone."""
    config = dataclasses.replace(CONFIG, max_steps=6, weight_decay=0.0, grad_clip=1e9)
    task, hand = Adversarial(), Adversarial()
    for name, module in task.modules.items():
        hand.modules[name].load_state_dict(module.state_dict())
    train(task, config, tmp_path)
    optimizers = [
        torch.optim.Adam(hand.modules[n].parameters(), betas=config.betas) for n in ("discriminator", "generator")
    ]
    batches = [hand.load(items) for items in hand.batches(0)]
    expected = []
    for step in range(6):
        for phase, optimizer in zip(hand.phases(), optimizers):
            optimizer.param_groups[0]["lr"] = config.learning_rate_at(step)
            terms = phase.loss(batches[step], step)
            loss = sum(phase.weights.get(name, 1) * term for name, term in terms.items())
            for module in hand.modules.values():
                module.zero_grad()
            loss.backward()
            optimizer.step()
        expected.append(loss.item())
    lines = [line for line in lines_of(tmp_path) if "generator/loss" in line]
    assert [line["generator/loss"] for line in lines] == pytest.approx(expected, rel=1e-4)
    assert all(line["generator/figure"] == 3.0 for line in lines)
    for name in task.modules:
        for ours, theirs in zip(task.modules[name].parameters(), hand.modules[name].parameters()):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


class Broken(Regression):
    """Gives losses that are not numbers at the given steps."""

    def __init__(self, bad: range) -> None:
        super().__init__()
        self.bad = bad

    def loss(self, batch, step):
        terms = super().loss(batch, step)
        return {"mse": terms["mse"] * (math.nan if step in self.bad else 1.0)}


def test_losses_that_are_not_numbers_are_skipped_and_their_items_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    task = Broken(range(3, 12))
    train(task, CONFIG, tmp_path)
    assert lines_of(tmp_path)[-1]["validation/mse"] < 10
    trained = [line for line in lines_of(tmp_path) if "skipped" in line]
    assert trained[-1]["skipped"] == 9
    assert [line["step"] for line in trained if "model/loss" not in line] == list(range(4, 13))
    batch = ", ".join(f"tensor({item})" for item in task.batches(0)[3].tolist())
    said = f"the model loss of step 3 is not finite (mse nan, loss nan, grad_norm nan); its batch is skipped: {batch}\n"
    assert said in capfd.readouterr().err


def test_ten_bad_losses_in_a_row_are_an_error(tmp_path: Path) -> None:
    wanted = r"model loss was not finite 10 times in a row, to step 12 \(mse nan.*the last batch: tensor\("
    with pytest.raises(TrainingError, match=wanted):
        train(Broken(range(3, 13)), CONFIG, tmp_path)


def test_no_batches_is_an_error(tmp_path: Path) -> None:
    task = Regression()
    task.batches = lambda epoch: ()  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="epoch 0 gave no batches"):
        train(task, CONFIG, tmp_path)


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_precision_of_the_loss(tmp_path: Path, precision: str) -> None:
    seen = set()

    class Watched(Regression):
        def loss(self, batch, step):
            seen.add(self.modules["model"](batch[:, :4]).dtype)
            return super().loss(batch, step)

    train(Watched(), dataclasses.replace(CONFIG, max_steps=2, precision=precision), tmp_path)
    assert seen == {torch.float32 if precision == "no" else torch.bfloat16}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_fp16_without_a_gpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="precision fp16 needs a GPU: use bf16 or no on a CPU"):
        train(Regression(), dataclasses.replace(CONFIG, precision="fp16"), tmp_path)


def test_modules_are_compiled_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda call, **options: compiled.append(call) or call)
    train(Regression(), dataclasses.replace(CONFIG, max_steps=1, compile=True), tmp_path / "compiled")
    assert len(compiled) == 1
    train(Regression(), dataclasses.replace(CONFIG, max_steps=1), tmp_path / "plain")
    assert len(compiled) == 1
    assert losses_of(tmp_path / "compiled") == losses_of(tmp_path / "plain")


def test_gradient_is_clipped(tmp_path: Path) -> None:
    """Adam does not see the scale of a clipped gradient, but its second moment keeps it."""
    train(Regression(), dataclasses.replace(CONFIG, max_steps=1, grad_clip=0.01, betas=(0.9, 0.98)), tmp_path)
    saved = torch.load(tmp_path / "checkpoint" / "optimizers.pt", weights_only=True)["model"]["state"]
    squares = sum(s["exp_avg_sq"].sum().item() for s in saved.values()) / (1 - 0.98)
    assert math.sqrt(squares) == pytest.approx(0.01, rel=1e-3)
    assert lines_of(tmp_path)[0]["model/grad_norm"] > 0.1  # logged before clipping


def test_without_a_bound_the_gradient_is_not_clipped(tmp_path: Path) -> None:
    train(Regression(), dataclasses.replace(CONFIG, max_steps=1, grad_clip=None, betas=(0.9, 0.98)), tmp_path)
    saved = torch.load(tmp_path / "checkpoint" / "optimizers.pt", weights_only=True)["model"]["state"]
    squares = sum(s["exp_avg_sq"].sum().item() for s in saved.values()) / (1 - 0.98)
    assert math.sqrt(squares) == pytest.approx(lines_of(tmp_path)[0]["model/grad_norm"], rel=1e-3)


class Plain(Regression):
    """Has no dropout, and a loss that is a mean over some items only."""

    def __init__(self) -> None:
        super().__init__()
        self.modules = {"model": nn.Linear(4, 2)}

    def loss(self, batch, step):
        errors = (self.modules["model"](batch[:, :4]) - batch[:, 4:]).square().mean(1)
        chosen = batch[:, 0] > 0
        some = (errors * chosen).sum() / chosen.sum().clamp(min=1)
        return {"mse": errors.mean(), "some": Mean(some, chosen.sum())}


@pytest.mark.parametrize("parts", [2, 4, 9])
def test_parts_one_after_another_have_the_gradient_of_the_whole(tmp_path: Path, parts: int) -> None:
    class OneTerm(Plain):
        def loss(self, batch, step):
            return {"mse": super().loss(batch, step)["mse"]}

    for name, accumulate in (("whole", 1), ("parts", parts)):
        train(OneTerm(), dataclasses.replace(CONFIG, accumulate=accumulate), tmp_path / name)
    whole, in_parts = losses_of(tmp_path / "whole"), losses_of(tmp_path / "parts")
    assert len(whole) == 30
    for (step, loss, norm), (other_step, other_loss, other_norm) in zip(whole, in_parts):
        assert step == other_step
        assert other_loss == pytest.approx(loss, rel=1e-4) and other_norm == pytest.approx(norm, rel=1e-4)


def test_a_part_counts_by_its_items(tmp_path: Path) -> None:
    """Of five items in three parts, two have two items and one has one; the loss is the mean over the five."""
    task = Plain()
    values = task.load(task.batches(0)[0])
    expected = task.loss(values, 0)["mse"].item()
    train(Plain(), dataclasses.replace(CONFIG, accumulate=3, max_steps=1), tmp_path)
    assert lines_of(tmp_path)[0]["model/mse"] == pytest.approx(expected, rel=1e-5)


def test_never_means_never(tmp_path: Path) -> None:
    train(Regression(), dataclasses.replace(CONFIG, log_every=0, validate_every=0), tmp_path)
    assert lines_of(tmp_path) == []
    assert (tmp_path / "model.safetensors").exists() and (tmp_path / "checkpoint").exists()


class Scripted(Regression):
    """Validates with given values."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = values

    def validate(self, modules, writer, step):
        return {"wer": self.values[step - 1]}


VALUES = [5.0, 3.0, math.nan, 4.0, 2.0, 6.0, 7.0, 8.0]
SCRIPTED = dataclasses.replace(CONFIG, max_steps=8, validate_every=1, ema_decay=0.0)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"keep_last": 2}, {7, 8}),
        ({"keep_best": 2, "best_by": "wer"}, {2, 5}),
        ({"keep_best": 2, "best_by": "wer", "best_is": "highest"}, {7, 8}),
        ({"keep_best": 1, "keep_last": 1, "best_by": "wer"}, {5, 8}),
        ({}, set()),
    ],
)
def test_the_last_and_the_best_models_are_kept(tmp_path: Path, options: dict, kept: set[int]) -> None:
    for limit in (0.0, None):  # stops after one step, then goes on
        train(Scripted(VALUES), dataclasses.replace(SCRIPTED, max_minutes=limit, **options), tmp_path)
    assert {path.name for path in tmp_path.glob("kept/*")} == {f"step-{step}" for step in kept}
    assert all((path / "model.safetensors").exists() for path in tmp_path.glob("kept/*"))


def test_the_model_is_the_average_of_the_kept_ones(tmp_path: Path) -> None:
    options = {"keep_best": 2, "best_by": "wer", "average_kept": True}
    train(Scripted(VALUES), dataclasses.replace(SCRIPTED, **options), tmp_path)
    second, fifth, mean = (
        load_file(tmp_path / name / "model.safetensors") for name in ("kept/step-2", "kept/step-5", ".")
    )
    for name, value in mean.items():
        torch.testing.assert_close(value, (second[name] + fifth[name]) / 2)
        assert not torch.equal(second[name], fifth[name])


def test_training_stops_early_and_stays_stopped(tmp_path: Path) -> None:
    config = dataclasses.replace(SCRIPTED, best_by="wer", patience=2)
    train(Scripted(VALUES), config, tmp_path)  # 3.0 at step 2 is not beaten at steps 3 and 4
    assert lines_of(tmp_path)[-1]["step"] == 4
    before = (tmp_path / "log.jsonl").read_text()
    train(Scripted(VALUES), config, tmp_path)
    assert (tmp_path / "log.jsonl").read_text() == before
    train(Scripted(VALUES), dataclasses.replace(config, patience=None), tmp_path)
    assert lines_of(tmp_path)[-1]["step"] == 8


def test_a_metric_that_is_not_measured_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="best_by is 'cer' but validation gives wer"):
        train(Scripted(VALUES), dataclasses.replace(SCRIPTED, keep_best=1, best_by="cer"), tmp_path)


@pytest.mark.parametrize(("flat", "rates"), [(False, [0.05, 0.05 * 0.525]), (True, [0.05, 0.0025])])
def test_more_steps_change_the_learning_rate_and_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flat: bool, rates: list[float]
) -> None:
    config = dataclasses.replace(CONFIG, max_steps=10, warmup_steps=0, flat_when_extended=flat)
    train(Regression(), config, tmp_path)
    assert "max_steps was" not in capsys.readouterr().err
    train(Regression(), dataclasses.replace(config, max_steps=20), tmp_path)
    told = capsys.readouterr().err
    assert "max_steps was 10 and is 20: at step 10 the learning rate " in told
    cure = "stays on the schedule of 10 steps: 0.0025" if flat else "goes from 0.0025 to 0.026"
    assert cure in told
    trained = {line["step"]: line["learning_rate"] for line in lines_of(tmp_path) if "learning_rate" in line}
    assert [trained[1], trained[11]] == pytest.approx(rates)  # half way down the cosine, or at its end


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limits of file sizes")
def test_a_full_disk_leaves_the_old_checkpoint_whole(tmp_path: Path) -> None:
    """A limit of file sizes stands for the disk; Python ignores its signal, so that writes fail with an error."""
    import resource

    class Large(Regression):
        def __init__(self) -> None:
            super().__init__()
            self.modules = {"model": nn.Sequential(nn.Linear(4, 2), nn.ParameterList([nn.Parameter(torch.ones(9**5))]))}

        def loss(self, batch, step):
            return {"mse": (self.modules["model"][0](batch[:, :4]) - batch[:, 4:]).square().mean()}

        def validate(self, modules, writer, step):
            return {"mse": 0.0}

        def save(self, folder, modules):
            pass

    train(Large(), dataclasses.replace(CONFIG, max_minutes=0.0), tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(TrainingError, match="cannot write .*checkpoint .*the checkpoint before it is whole; free"):
            train(Large(), CONFIG, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert json.loads((tmp_path / "checkpoint" / "state.json").read_text())["step"] == 1
    assert [path.name for path in tmp_path.glob("checkpoint*")] == ["checkpoint"]
    train(Large(), CONFIG, tmp_path)
    assert lines_of(tmp_path)[-1]["step"] == 30


def test_a_process_that_ends_ends_the_others_in_one_sentence(tmp_path: Path) -> None:
    """The first process is told by the broken connection; the run then goes on in one process."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_loop import *\n"
        "config = dataclasses.replace(CONFIG, max_steps=1000, checkpoint_seconds=0.1)\n"
        "try:\n"
        f"    train(Regression(pause=0.05), config, Path({str(tmp_path)!r}))\n"
        "except TrainingError as error:\n"
        "    sys.exit(f'speechnar: {error}')\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True,
            env=environment | {"RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in "01"
    ]  # fmt: skip
    wait_for_step(tmp_path, 5, processes[0])
    processes[1].send_signal(signal.SIGKILL)
    _, errors = processes[0].communicate(timeout=60)
    processes[1].wait()
    assert processes[0].returncode == 1, errors
    assert "Traceback" not in errors
    told = [line for line in errors.splitlines() if line.startswith("speechnar: another process of this training has")]
    assert len(told) == 1 and told[0].endswith("run the command again to go on from the last checkpoint")
    step = json.loads((checkpoint.latest(tmp_path / "checkpoint") / "state.json").read_text())["step"]
    assert step > 0
    task = Regression()
    train(task, dataclasses.replace(CONFIG, max_steps=step + 1), tmp_path)
    assert task.loaded[0] == task.batches(step // 7)[step % 7].tolist()


def test_average_follows_its_formula() -> None:
    module = nn.BatchNorm1d(1)
    average = EMA({"m": module}, decay=0.5)
    expected = module.weight.item()
    for step in range(8):
        with torch.no_grad():
            module.weight.fill_(step + 2.0)
            module.running_mean.fill_(step)
        average.update({"m": module}, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * (step + 2.0)
    kept = average.modules["m"]
    assert kept.weight.item() == pytest.approx(expected)
    assert kept.running_mean.item() == 7
    assert not kept.training and not kept.weight.requires_grad
