"""Fine-tune an encoder into a tagger on labelled sets, several with different labels at once.

    python -m training.finetune configs/bundled.yaml [key=value …]

The result lies in `output`: a folder for `Tagger(...)`, with its scores on the dev data in `scores.json`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import AutoTokenizer, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.utils import cached_file

from arnews.card import card
from arnews.datasets import LabelledDocument
from arnews.encode import WordEncoder
from arnews.errors import ConfigError
from arnews.evaluate import evaluate
from arnews.folder import CONFIG, TOKENIZER, read_tokenizer
from arnews.model import NewsModel, load_encoder
from arnews.tagger import Tagger
from training.checkpoints import Checkpoints, EarlyStopping, last_complete
from training.config import load_config
from training.data import DataConfig, load_data, model_config
from training.examples import Collator, Example, examples
from training.losses import TrainingModel, WordMask, mask_token, trigger_weights
from training.noise import name_pools, perturb
from training.pretrain import PRETRAINING

Make = Callable[[LabelledDocument], list[Example]]


@dataclass(frozen=True)
class FinetuneConfig:
    """One fine-tuning run."""

    encoder: str  # a Hugging Face encoder: folder or hub id
    output: str
    data: tuple[DataConfig, ...]
    seed: int = 1
    window: int = field(default=128, metadata={"low": 66, "high": 512})  # subwords of a window
    epochs: int = field(default=8, metadata={"low": 1, "high": 1000})
    max_steps: int = -1  # where given, wins over epochs
    batch_size: int = field(default=16, metadata={"low": 1})  # windows
    accumulate: int = field(default=1, metadata={"low": 1})
    learning_rate: float = 3e-4  # of the encoder's last layer
    layer_decay: float = field(default=1.0, metadata={"low": 0.1, "high": 1.0})  # a layer's rate over the next one's
    head_learning_rate: float = 1e-3
    warmup: float = field(default=0.1, metadata={"low": 0.0, "high": 1.0})  # share of the steps
    weight_decay: float = 0.01
    dropout: float = field(default=0.1, metadata={"low": 0.0, "high": 0.9})  # of the heads
    encoder_dropout: float | None = field(default=None, metadata={"low": 0.0, "high": 0.9})  # null: as it comes
    word_dropout: float = field(default=0.0, metadata={"low": 0.0, "high": 0.9})  # share of words read as the mask
    bf16: bool = False
    half: bool = False  # store the weights in 16 bits
    noise: float = field(default=0.0, metadata={"low": 0.0, "high": 1.0})  # share of documents that noise falls on
    faults: float = field(default=0.05, metadata={"low": 0.0, "high": 1.0})  # there, the share of words misspelt
    swaps: float = field(default=0.3, metadata={"low": 0.0, "high": 1.0})  # there, the share of names swapped
    balance: float = field(default=0.0, metadata={"low": 0.0, "high": 1.0})  # 0: types count alike, 1: rare as common
    trigger_weight: float = field(default=1.0, metadata={"low": 0.0, "high": 100.0})  # of this loss beside entities'
    modality_weight: float = field(default=1.0, metadata={"low": 0.0, "high": 100.0})
    link_weight: float = field(default=1.0, metadata={"low": 0.0, "high": 100.0})
    evaluate_every: int = field(default=0, metadata={"low": 0})  # steps between scores on `select_on`; 0: never
    patience: int = field(default=0, metadata={"low": 0})  # stop after so many scores that are no better; 0: never
    select_on: str = "arnews-dev"  # the dev set whose entity and trigger F1 choose the best model
    save_every: int = field(default=0, metadata={"low": 0})  # steps between checkpoints; 0: none, and no resuming
    push_to: str = ""  # a hub repository, as name/model, that the finished folder is uploaded to


class Examples(Dataset[Example]):
    """A list of examples as torch wants it."""

    def __init__(self, items: list[Example]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Example:
        return self.items[index]


def in_order(sets: list[list[LabelledDocument]], config: FinetuneConfig, make: Make) -> list[Example]:
    """The examples of all epochs in a row: each epoch shuffled, with the sets that take part in it; documents that
    noise falls on are made anew."""
    rng = random.Random(config.seed)
    whole = [d for documents, data in zip(sets, config.data, strict=True) if data.events for d in documents]
    pools = name_pools(whole) if config.noise else {}
    made = {id(d): make(d) for documents in sets for d in documents}
    out: list[Example] = []
    for epoch in range(config.epochs):
        mixed: list[Example] = []
        for documents, data in zip(sets, config.data, strict=True):
            if epoch >= data.until * config.epochs:
                continue
            for document in documents:
                noisy = epoch > 0 and rng.random() < config.noise  # the first epoch reads every document as it is
                new = perturb(document, rng, pools, config.faults, config.swaps) if noisy else None
                mixed.extend(make(new) if new else made[id(document)])
        rng.shuffle(mixed)
        out.extend(mixed)
    return out


def parameter_groups(model: NewsModel, config: FinetuneConfig) -> list[dict[str, Any]]:
    """Each encoder layer with its own rate, the heads with theirs; no decay for biases and norms."""
    depth = model.encoder.config.num_hidden_layers
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if name.startswith(model.prefix + "."):
            numbers = [int(part) for part in name.split(".") if part.isdigit()]
            below = depth - 1 - numbers[0] if numbers else depth
            rate = config.learning_rate * config.layer_decay**below
        else:
            rate = config.head_learning_rate
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]


def pretraining(config: FinetuneConfig) -> dict[str, Any]:
    """What `training.pretrain` recorded of the encoder, without its paths, and whether it was in a tagger since;
    nothing for an encoder from elsewhere."""
    path = Path(config.encoder) / PRETRAINING
    if not path.exists():
        return {}
    recorded = json.loads(path.read_text(encoding="utf-8"))
    if "arnews" in json.loads((Path(config.encoder) / CONFIG).read_text(encoding="utf-8")):
        recorded["tagger_before"] = True
    return {key: value for key, value in recorded.items() if key not in ("texts", "output")}


def train(config: FinetuneConfig) -> None:
    """Train, save the folder with its card, score it on every dev set."""
    set_seed(config.seed)
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    training, dev = load_data(config.data)
    labels = model_config(training, config.window, config.dropout)
    encoder = load_encoder(config.encoder, config.encoder_dropout)
    model = NewsModel(encoder, labels)
    tokenizer_file = save_tokenizer(config.encoder, output)
    tokenizer, special = read_tokenizer(tokenizer_file, encoder.config.to_dict())
    masked = WordMask(config.word_dropout, mask_token(tokenizer)) if config.word_dropout else None
    encode = WordEncoder(tokenizer)
    items = in_order(training, config, lambda document: examples(document, encode, labels))
    print(f"{sum(map(len, training))} documents, {len(items)} windows in all epochs, dev: {list(dev)}", flush=True)

    def save(folder: Path) -> None:
        model.save_pretrained(folder, tokenizer_file, half=config.half)

    def score(folder: Path) -> float:
        save(folder)
        report = evaluate(Tagger(folder, dtype="fp32"), dev[config.select_on])
        return float(sum(report[part]["f1"] for part in ("entities", "triggers") if part in report))

    callbacks: list[TrainerCallback] = [checkpoints := Checkpoints()]
    if config.evaluate_every:
        if config.select_on not in dev:
            raise ConfigError(f"select_on is {config.select_on!r}: the dev sets are {', '.join(dev)}")
        callbacks.append(EarlyStopping(score, output / "best", config.evaluate_every, config.patience))
    weights = trigger_weights(training, labels.events, config.balance)
    heads = {"trigger": config.trigger_weight, "modality": config.modality_weight, "link": config.link_weight}
    trainer = Trainer(
        TrainingModel(model, weights, masked, heads),
        training_arguments(config), data_collator=Collator(special),
        train_dataset=Examples(items), callbacks=callbacks,
        optimizers=(torch.optim.AdamW(parameter_groups(model, config)), None),
    )  # fmt: skip
    found = last_complete(output / "checkpoints") if config.save_every else None
    with checkpoints:
        trainer.train(resume_from_checkpoint=str(found) if found else None)
    if checkpoints.stopped:
        print("stopped by SIGTERM: run the same command to go on", flush=True)
        return
    if trainer.is_world_process_zero():
        if config.evaluate_every and (output / "best").exists():
            shutil.copytree(output / "best", output / "model", dirs_exist_ok=True)
        else:
            save(output / "model")
        report(config, output, dev)


def training_arguments(config: FinetuneConfig) -> TrainingArguments:
    """Our config in the Trainer's terms; a step's batch is divided between the processes."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if config.batch_size % processes:
        raise ConfigError(f"batch_size is {config.batch_size}: it must be a multiple of the {processes} processes")
    return TrainingArguments(
        output_dir=str(Path(config.output) / "checkpoints"),
        seed=config.seed,
        num_train_epochs=1,  # the items hold all epochs, in their order
        train_sampling_strategy="sequential",
        max_steps=config.max_steps,
        per_device_train_batch_size=config.batch_size // processes,
        gradient_accumulation_steps=config.accumulate,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup,
        bf16=config.bf16,
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=processes > 1 or None,  # a batch without events leaves heads unused
        logging_steps=50,
        save_strategy="steps" if config.save_every else "no",
        save_steps=config.save_every or 500,
        save_total_limit=2,
        report_to=[],
        remove_unused_columns=False,
        disable_tqdm=True,
    )


def save_tokenizer(encoder: str, output: Path) -> Path:
    """The encoder's tokenizer as one file, whatever files it came in."""
    path = output / TOKENIZER
    found = cached_file(encoder, TOKENIZER, _raise_exceptions_for_missing_entries=False)
    if found:
        shutil.copyfile(found, path)
    else:  # older checkpoints have a vocabulary alone
        AutoTokenizer.from_pretrained(encoder, use_fast=True, trust_remote_code=False).backend_tokenizer.save(str(path))
    return path


def report(config: FinetuneConfig, output: Path, dev: dict[str, list[LabelledDocument]]) -> None:
    """Score the saved model on every dev set; write `scores.json` and the card; push the folder where asked."""
    tagger = Tagger(output / "model", dtype="fp32")
    scores = {name: evaluate(tagger, documents) for name, documents in dev.items() if documents}
    record = {"config": dataclasses.asdict(config), "pretraining": pretraining(config), "scores": scores}
    (output / "scores.json").write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
    if record["pretraining"]:  # travels with the model, whose encoder may be trained further
        (output / "model" / PRETRAINING).write_text(json.dumps(record["pretraining"], indent=1), encoding="utf-8")
    text = card(Path(config.output).name, record["config"] | {"pretraining": record["pretraining"]}, scores, {})
    (output / "model" / "README.md").write_text(text, encoding="utf-8")
    for name, found in scores.items():
        print(name, {k: v["f1"] if isinstance(v, dict) and "f1" in v else v for k, v in found.items()
                     if "by_" not in k and k != "data_sha256"})  # fmt: skip
    if config.push_to:
        tagger.push_to_hub(config.push_to)


if __name__ == "__main__":
    train(load_config(Path(sys.argv[1]), FinetuneConfig, sys.argv[2:]))
