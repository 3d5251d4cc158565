"""Fine-tuning that can be killed, repeated, divided and stopped, on a tiny encoder and seconds of training."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, RoFormerModel

from arnews import ConfigError, Tagger
from arnews.datasets import LabelledDocument, corpus, gold_document
from arnews.folder import sha256
from arnews.markup import parse
from arnews.schema import schema
from training.checkpoints import MARKER, is_complete, last_complete
from training.data import DataConfig
from training.finetune import FinetuneConfig, train
from training.losses import TrainingModel, trigger_weights
from training.noise import Pools, apply, name_pools, perturb

ROOT = Path(__file__).parent.parent


def tiny(encoder: Path, output: Path, **changes: object) -> FinetuneConfig:
    values = dict(max_steps=8, batch_size=4, window=66, epochs=1, save_every=2, bf16=False)
    data = (DataConfig("arnews", take=0.03, scored=0.1),)
    return FinetuneConfig(encoder=str(encoder), output=str(output), data=data, **(values | changes))  # type: ignore[arg-type]


def weights(run: Path) -> str:
    return sha256(run / "model" / "model.safetensors")


@pytest.fixture(scope="module")
def whole(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "whole"
    train(tiny(encoder, output))
    return output


def test_finetune_writes_a_folder_that_tags_with_a_card_and_a_plain_encoder(whole: Path) -> None:
    card = (whole / "model" / "README.md").read_text(encoding="utf-8")
    assert "arnews-dev" in card and "95% interval" in card and "CC BY 4.0" in card and "| seed | 1 |" in card
    document = Tagger(whole / "model")("وصل الوفد إلى القاهرة")
    assert document.text == "وصل الوفد إلى القاهرة"
    plain, report = AutoModel.from_pretrained(whole / "model", output_loading_info=True)
    assert not report["missing_keys"] and isinstance(plain, RoFormerModel)


def test_r38_a_resumed_run_gives_the_weights_of_the_unbroken_one(encoder: Path, whole: Path, tmp_path: Path) -> None:
    """Killed with SIGKILL as soon as its first checkpoint is whole."""
    config = tiny(encoder, tmp_path / "cut")
    script = f"from training.finetune import *; train({config!r})"
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.DEVNULL)
    while not list((tmp_path / "cut").glob(f"checkpoints/*/{MARKER}")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (tmp_path / "cut" / "model").exists()
    train(config)
    assert weights(tmp_path / "cut") == weights(whole)


def test_r39_every_incomplete_checkpoint_is_recognised(whole: Path, tmp_path: Path, capsys) -> None:
    newest = last_complete(whole / "checkpoints")
    assert newest is not None and newest.name == "checkpoint-8"
    files = [p.name for p in newest.iterdir()]
    assert len(files) >= 6  # weights, optimizer, scheduler, rng, state, marker
    for name in files:
        for damage in (Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])):
            copy = tmp_path / "checkpoints"
            shutil.copytree(whole / "checkpoints", copy)
            damage(copy / "checkpoint-8" / name)
            found = last_complete(copy)
            assert found is not None and found.name == "checkpoint-6", name
            assert "checkpoint-8 is incomplete" in capsys.readouterr().out
            shutil.rmtree(copy)
    assert last_complete(tmp_path) is None


def test_r40_the_same_seed_gives_the_same_weights_and_another_does_not(
    encoder: Path, whole: Path, tmp_path: Path
) -> None:
    train(tiny(encoder, tmp_path / "again", save_every=0))
    assert weights(tmp_path / "again") == weights(whole)
    train(tiny(encoder, tmp_path / "other", save_every=0, seed=2))
    assert weights(tmp_path / "other") != weights(whole)


def test_r41_a_full_disk_stops_the_run_and_keeps_the_last_checkpoint(
    encoder: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = torch.save

    def full(value: object, file: object, *rest: object, **more: object) -> None:
        if "checkpoint-4" in str(file):
            raise OSError(28, "No space left on device")
        real(value, file, *rest, **more)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        train(tiny(encoder, tmp_path / "run"))
    monkeypatch.undo()
    found = last_complete(tmp_path / "run" / "checkpoints")
    assert found is not None and found.name == "checkpoint-2"
    train(tiny(encoder, tmp_path / "run"))
    assert weights(tmp_path / "run") == weights(whole)


def test_r42_sigterm_saves_and_ends_with_success(encoder: Path, whole: Path, tmp_path: Path) -> None:
    config = tiny(encoder, tmp_path / "run", save_every=100)
    script = (
        "import os, signal, training.checkpoints as c; from training.finetune import *\n"
        "step = c.Checkpoints.on_step_end\n"
        "def kill(self, args, state, control, **more):\n"
        "    if state.global_step == 3: os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return step(self, args, state, control, **more)\n"
        f"c.Checkpoints.on_step_end = kill; train({config!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "run the same command to go on" in done.stdout
    found = last_complete(tmp_path / "run" / "checkpoints")
    assert found is not None and found.name in ("checkpoint-3", "checkpoint-4")
    train(dataclasses.replace(config, save_every=2))
    assert weights(tmp_path / "run") == weights(whole)


def test_r44_a_loss_that_is_no_number_stops_the_run_and_names_the_batch(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = TrainingModel.forward

    def broken(self: TrainingModel, names: list[str], **batch: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            self.model.trigger.weight.fill_(float("nan"))
        return forward(self, names, **batch)

    monkeypatch.setattr(TrainingModel, "forward", broken)
    with pytest.raises(FloatingPointError, match=r"the loss is nan on a batch of \w+-"):
        train(tiny(encoder, tmp_path / "run"))


def test_finetune_keeps_the_best_and_stops_early(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([30.0, 50.0, 40.0, 45.0, 99.0])
    monkeypatch.setattr(
        "training.finetune.evaluate", lambda *_: {"entities": {"f1": next(scores, 0.0)}, "documents": 1}
    )
    monkeypatch.setattr("training.finetune.report", lambda *_: None)
    train(tiny(encoder, tmp_path / "run", max_steps=20, evaluate_every=2, patience=2, save_every=0))
    entries = [json.loads(line) for line in (tmp_path / "run" / "dev.jsonl").read_text().splitlines()]
    assert [(e["step"], e["score"]) for e in entries] == [(2, 30.0), (4, 50.0), (6, 40.0), (8, 45.0)]
    best, model = (load_file(tmp_path / "run" / n / "model.safetensors") for n in ("best", "model"))
    last = load_file(tmp_path / "run" / "candidate" / "model.safetensors")
    assert all(torch.equal(best[k], model[k]) for k in best)
    assert not all(torch.equal(last[k], model[k]) for k in best)
    with pytest.raises(ConfigError, match="select_on is 'nowhere'"):
        train(tiny(encoder, tmp_path / "run", evaluate_every=2, select_on="nowhere"))


def test_two_processes_give_the_result_of_one_within_noise(encoder: Path, whole: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    values = tiny(encoder, tmp_path / "two", save_every=0)
    config.write_text(
        f"encoder: {encoder}\noutput: {tmp_path / 'two'}\ndata: [{{format: arnews, take: 0.1}}]\n"
        + "".join(f"{k}: {getattr(values, k)}\n" for k in ("max_steps", "batch_size", "window", "epochs")),
        encoding="utf-8",
    )
    launch = [
        sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", "--num_cpu_threads_per_process", "1",
        "-m", "training.finetune", str(config),
    ]  # fmt: skip
    done = subprocess.run(launch, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    one = load_file(whole / "model" / "model.safetensors")
    two = load_file(tmp_path / "two" / "model" / "model.safetensors")
    start = load_file(encoder / "model.safetensors")
    name = next(k for k in start if k.endswith("query.weight"))
    moved = (one["roformer." + name.removeprefix("roformer.")] - start[name]).abs().mean()
    apart = (
        (one["roformer." + name.removeprefix("roformer.")] - two["roformer." + name.removeprefix("roformer.")])
        .abs()
        .mean()
    )
    assert apart < 0.5 * moved


def document(body: str) -> LabelledDocument:
    (marked,) = parse(f"# doc: sports-1\n# topic: sports | genre: wire | region: gulf | date: 2020-01-01\n{body}\n")
    return LabelledDocument(marked.id, gold_document(marked), frozenset(schema().entities), True, meta=marked.meta)


def test_noise_swaps_names_and_keeps_every_span_on_its_text() -> None:
    item = document("{وصل|TRAVEL AGENT=1 PLACE=2} [علي|PERS #1] إلى [القاهرة|GPE #2] و[وزير [مصر|GPE]|OCC] ل[لصين|GPE]")
    pools: Pools = {"PERS": (["سعيد بن مسعود"],), "GPE": (["الخرطوم"],)}
    swapped = perturb(item, Random(0), pools, faults=0.0, swaps=1.0).document
    assert swapped.text == "وصل سعيد بن مسعود إلى الخرطوم ووزير مصر للصين"  # inside other names nothing is swapped
    assert [e.text for e in swapped.entities] == ["سعيد بن مسعود", "الخرطوم", "وزير مصر", "مصر", "لصين"]
    assert [a.entity.text for a in swapped.events[0].arguments] == ["سعيد بن مسعود", "الخرطوم"]


def test_noise_drops_the_alef_of_a_new_name_after_lam() -> None:
    item = document("{سافر|TRAVEL PLACE=1} ل[تونس|GPE #1]")
    swapped = perturb(item, Random(0), {"GPE": (["الصين"],)}, faults=0.0, swaps=1.0).document
    assert swapped.text == "سافر للصين" and swapped.entities[0].name == "الصين"


def test_noise_of_every_kind_leaves_the_corpus_sound() -> None:
    training = corpus("train")[:60]
    pools, rng, changed = name_pools(training), Random(3), set()
    assert set(pools) == {"PERS", "ORG", "GPE", "LOC", "FAC", "PRODUCT", "EVENT"}
    assert all("،" not in name and name == name.strip() for lists in pools.values() for name in lists[0])
    for item in training:
        noisy = perturb(item, rng, pools, faults=0.3, swaps=0.5).document
        for e, old in zip(noisy.entities, item.document.entities, strict=True):
            assert noisy.text[e.start : e.end] == e.text and e.label == old.label and e.text.strip() == e.text
        for event, before in zip(noisy.events, item.document.events, strict=True):
            assert noisy.text[event.start : event.end] == event.trigger
            assert len(event.arguments) == len(before.arguments)
            if len(event.trigger) == len(before.trigger):
                changed |= {(a, b) for a, b in zip(before.trigger, event.trigger, strict=True) if a != b}
    assert changed <= {("أ", "ا"), ("إ", "ا"), ("آ", "ا"), ("ى", "ي"), ("ي", "ى"), ("ة", "ه")} and len(changed) > 3
    assert apply(training[0].document, []) == training[0].document


def test_trigger_weights_favour_rare_types_and_are_one_on_average() -> None:
    item = document("{قال|STATEMENT} ثم {قال|STATEMENT} ثم {قال|STATEMENT} ثم {قتل|DIE}")
    kinds = ["STATEMENT", "DIE", "MEET"]
    assert trigger_weights([[item]], kinds, 0.0).tolist() == pytest.approx([1] * 7)
    weights_ = trigger_weights([[item]], kinds, 0.5).numpy()
    assert weights_[0] == 1 and weights_[3] > weights_[1]
    assert np.average(weights_[1::2], weights=[3, 1, 0]) == pytest.approx(1)


def test_is_complete_needs_the_marker(tmp_path: Path) -> None:
    assert not is_complete(tmp_path)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # training has given it back
