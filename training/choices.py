"""What each choice of pretraining is worth: short runs of the same cost, one thing changed in each.

    python -m training.choices configs/choices.yaml [key=value …]

A run's cost is its floating point operations, which do not depend on how busy a machine is. Finished runs are kept,
so a killed command goes on. The table goes into the card by `training.export … tables=[FOLDER/choices.json]`.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForMaskedLM

from training.config import load_config
from training.evaluate import JudgeConfig, judge_entities, markdown
from training.masking import Masker
from training.pretrain import PretrainConfig, build_model, build_objective, train, train_step
from training.pretrain import evaluate as masked_words
from training.tokens import build_tokenizer, pack, wrap_tokenizer

PREPARED = ("tokenizer.json", "tokens.u32")


@dataclass(frozen=True)
class Choice:
    """One run: the base config with these changes."""

    name: str
    set: tuple[str, ...] = ()  # key=value


@dataclass(frozen=True)
class ChoicesConfig:
    """Runs to compare."""

    base: str  # a config of training.pretrain
    texts: tuple[str, ...]
    output: str
    anercorp: str  # a CoNLL file: its first five sixths are trained on, the last sixth is the test
    choices: tuple[Choice, ...]
    petaflops: float = field(default=0.02, metadata={"low": 1e-6})  # a run's cost: 10^15 operations
    entity_epochs: int = field(default=2, metadata={"low": 1})
    seeds: tuple[int, ...] = (1,)  # of the fine-tuning
    title: str = "Choices of the encoder, each run of the same cost"  # of the table in a card


def operations(config: PretrainConfig) -> int:
    """The floating point operations of one step, forward and backward."""
    folder = Path(config.output)
    tokenizer = build_tokenizer(config.texts, config.vocab_size, folder)
    tokens = pack(config.texts, tokenizer, folder)
    plain = dataclasses.replace(config, count_embeddings=False, bf16=False)
    model = build_objective(plain, build_model(plain, tokenizer, tokens))
    optimizer = torch.optim.AdamW(model.parameters())
    batch = Masker(plain, tokenizer, tokens).batch(0)
    counter = FlopCounterMode(display=False)
    with counter:
        train_step(model, optimizer, Accelerator(), batch, plain)
    return int(counter.get_total_flops())


def run(config: ChoicesConfig, choice: Choice) -> dict[str, Any]:
    """Pretrain one variant at the given cost and measure it; a run that is finished already is read again."""
    folder = Path(config.output) / choice.name
    result = folder / "result.json"
    if result.exists():
        return dict(json.loads(result.read_text(encoding="utf-8")))
    folder.mkdir(parents=True, exist_ok=True)
    plan = load_config(Path(config.base), PretrainConfig, [*choice.set, f"output={folder}"])
    plan = dataclasses.replace(plan, texts=config.texts)
    prepared = Path(config.output) / f"vocabulary-{plan.vocab_size}"
    prepared.mkdir(exist_ok=True)
    pack(plan.texts, build_tokenizer(plan.texts, plan.vocab_size, prepared), prepared)
    for name in PREPARED:
        shutil.copy(prepared / name, folder / name)
    steps = max(4, round(config.petaflops * 1e15 / operations(plan)))
    warmup, decay = min(plan.warmup, steps // 4), min(plan.decay, steps // 3)
    short = steps * 7 // 10 if plan.short_steps else 0
    plan = dataclasses.replace(
        plan, steps=steps, warmup=warmup, decay=decay, short_steps=short, save_every=steps, log_every=max(1, steps // 4)
    )
    train(plan)
    found: dict[str, Any] = {
        "choice": choice.name,
        "changes": ", ".join(choice.set),
        "steps": steps,
        "tokens": steps * plan.batch_size * plan.sequence_length,
        "parameters": _parameters(folder),
    }
    found |= _masked(folder)
    judge = JudgeConfig(
        encoder=str(folder / "encoder"), output=str(folder / "judge"), anercorp=config.anercorp, seeds=config.seeds,
        entity_epochs=config.entity_epochs,
    )  # fmt: skip
    scores = judge_entities(judge, {"pretrained": judge.encoder})["pretrained"]
    found["entity F1"] = scores["mean"]
    result.write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")
    for name in ("tokens.u32", "checkpoint-*", "judge/*/checkpoints"):
        for path in folder.glob(name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return found


def _parameters(folder: Path) -> int:
    from safetensors.numpy import load_file

    state = load_file(folder / "encoder" / "model.safetensors")
    return sum(int(value.size) for name, value in state.items() if not name.startswith("cls."))


def _masked(folder: Path) -> dict[str, float]:
    """The loss of masked words on the held-out tail, masked alike for every run; by word, since vocabularies differ."""
    model, report = AutoModelForMaskedLM.from_pretrained(folder / "encoder", output_loading_info=True)
    if report["missing_keys"]:
        return {}
    tokenizer, tokens = wrap_tokenizer(folder / "tokenizer.json"), np.memmap(folder / "tokens.u32", dtype=np.uint32)
    masker = Masker(PretrainConfig(texts=(), output=""), tokenizer, tokens)
    tail = tokens[masker.training * masker.body :]
    loss = masked_words(model, masker, Accelerator())["held_out_loss"]
    return {"masked-word loss": round(loss, 3), "loss a word": round(loss * len(tail) / masker.starts[tail].sum(), 3)}


def main(config: ChoicesConfig) -> None:
    """All runs, then the table on the terminal and in `choices.json`."""
    found = [run(config, choice) for choice in config.choices]
    table = markdown(found, ("changes", "tokens", "parameters", "loss a word", "entity F1"))
    (Path(config.output) / "choices.json").write_text(
        json.dumps({"title": config.title, "runs": found, "table": table})
    )
    print(table)


if __name__ == "__main__":
    main(load_config(Path(sys.argv[1]), ChoicesConfig, sys.argv[2:]))
