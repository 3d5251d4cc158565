"""Fine-tune an encoder into a tagger on labelled sets, several with different labels at once.

    python -m training.finetune configs/bundled.yaml [key=value …]

The result lies in `output`: a folder for `Tagger(...)`, with its scores on the dev data in `scores.json`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments, set_seed

from arnews.conll import read_conll
from arnews.datasets import LabelledDocument, corpus, read_marked
from arnews.encode import WordEncoder
from arnews.evaluate import evaluate
from arnews.folder import TOKENIZER, ModelConfig, read_tokenizer
from arnews.model import NewsModel, load_encoder
from arnews.schema import schema
from arnews.tagger import Tagger
from training.config import load_config
from training.examples import IGNORED, Collator, Example, examples

FORMATS = ("arnews", "markup", "anercorp", "aqmar", "wikifane")


@dataclass(frozen=True)
class DataConfig:
    """One labelled set."""

    format: str = field(metadata={"choices": FORMATS})  # arnews: the shipped corpus, which needs no path
    path: str = ""  # a file, or for markup also a folder
    repeat: int = field(default=1, metadata={"low": 1, "high": 100})  # how often an epoch sees it
    take: float = field(default=1.0, metadata={"low": 0.01, "high": 1.0})  # this share from the front
    until: float = field(default=1.0, metadata={"low": 0.0, "high": 1.0})  # it takes part in this share of the epochs
    hold_out: bool = False  # leave out the fifth of the documents that `held_out` names; it joins the dev data


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
    dropout: float = field(default=0.1, metadata={"low": 0.0, "high": 0.9})
    bf16: bool = False
    half: bool = False  # store the weights in 16 bits


def held_out(name: str) -> bool:
    """Whether a document belongs to the fixed fifth that is never trained on."""
    return int(hashlib.sha256(name.encode("utf-8")).hexdigest(), 16) % 5 == 0


def load_data(config: FinetuneConfig) -> tuple[list[list[LabelledDocument]], dict[str, list[LabelledDocument]]]:
    """The training documents of each set, repeated as asked, and the named dev sets."""
    training: list[list[LabelledDocument]] = []
    dev: dict[str, list[LabelledDocument]] = {}
    for data in config.data:
        if data.format == "arnews":
            documents = corpus("train")
            dev["arnews-dev"], dev["arnews-test"] = corpus("dev"), corpus("test")
        elif data.format == "markup":
            documents = read_marked(Path(data.path))
        else:
            documents = read_conll(Path(data.path), data.format)
        documents = documents[: round(len(documents) * data.take)]
        if data.hold_out:
            dev[f"{Path(data.path).name}-held-out"] = [d for d in documents if held_out(d.id)]
            documents = [d for d in documents if not held_out(d.id)]
        training.append(documents * data.repeat)
    return training, dev


class TrainingModel(nn.Module):
    """The network with the sum of its heads' losses."""

    def __init__(self, model: NewsModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        out = self.model(batch["ids"], batch["mask"], batch["first"], batch["last"])
        words = len(out.entity)
        entity = out.entity.float().reshape(words, -1, 3)
        loss = _mean(entity.reshape(-1, 3), batch["entity"].reshape(-1)) * entity.shape[1]
        loss = loss + _either(entity.log_softmax(-1), batch["either"], batch["either_tag"])
        for name in ("trigger", "modality", "proclitic"):
            loss = loss + _mean(getattr(out, name).float(), batch[name])
        trigger, kind, first, last, label, role, distance = batch["pairs"].unbind(1)
        if len(role):
            h = out.hidden
            logits = self.model.links(h[trigger], h[first], h[last], kind, label, distance)
            loss = loss + cross_entropy(logits.float(), role)
        return {"loss": loss}


def _mean(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy over the targets that count; 0 where none does."""
    total = cross_entropy(logits, target, ignore_index=IGNORED, reduction="sum")
    return total / (target != IGNORED).sum().clamp(min=1)


def _either(logp: Tensor, either: Tensor, tag: Tensor) -> Tensor:
    """Words that one of several labels covers, unknown which: -log of the probability that exactly one has the tag
    and the others are outside. `logp`: (W, L, 3), `either`: (W, L) bool, `tag`: (W,)."""
    rows = tag > 0
    if not bool(rows.any()):
        return logp.new_zeros(())
    logp, either, tag = logp[rows], either[rows], tag[rows]
    inside = logp.gather(2, tag[:, None, None].expand(-1, logp.shape[1], 1))[:, :, 0]
    outside = logp[:, :, 0]
    one = (inside - outside).masked_fill(~either, float("-inf")).logsumexp(1)
    return -(one + outside.masked_fill(~either, 0.0).sum(1)).sum() / len(either) * rows.float().mean()


class Examples(Dataset[Example]):
    """A list of examples as torch wants it."""

    def __init__(self, items: list[Example]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Example:
        return self.items[index]


def in_order(sets: list[list[Example]], config: FinetuneConfig) -> list[Example]:
    """The examples of all epochs in a row: each epoch shuffled, with the sets that take part in it."""
    rng = random.Random(config.seed)
    out: list[Example] = []
    for epoch in range(config.epochs):
        taking = [items for items, data in zip(sets, config.data, strict=True) if epoch < data.until * config.epochs]
        mixed = [example for items in taking for example in items]
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
    """What `training.pretrain` recorded of the encoder, without its paths; nothing for an encoder from elsewhere."""
    path = Path(config.encoder) / "pretraining.json"
    if not path.exists():
        return {}
    recorded = json.loads(path.read_text(encoding="utf-8"))
    return {key: value for key, value in recorded.items() if key not in ("texts", "output")}


def train(config: FinetuneConfig) -> None:
    """Train, save the folder, score it on every dev set."""
    set_seed(config.seed)
    output = Path(config.output)
    training, dev = load_data(config)
    names = schema()
    labels = ModelConfig(
        tuple(names.entities), tuple(names.events), tuple(names.modalities), tuple(names.roles),
        window=config.window, dropout=config.dropout,
    )  # fmt: skip
    encoder = load_encoder(config.encoder)
    tokenizer_file = Path(config.encoder) / TOKENIZER
    model = NewsModel(encoder, labels)
    tokenizer, special = read_tokenizer(tokenizer_file, encoder.config.vocab_size)
    encode = WordEncoder(tokenizer)
    once = {id(d): d for documents in training for d in documents}
    made = {key: examples(d, encode, labels) for key, d in once.items()}
    items = in_order([[e for d in documents for e in made[id(d)]] for documents in training], config)
    print(f"{len(once)} documents, {len(items)} windows in all epochs, dev: {list(dev)}", flush=True)
    arguments = TrainingArguments(
        output_dir=str(output / "checkpoints"),
        seed=config.seed,
        num_train_epochs=1,  # the items hold all epochs, in their order
        train_sampling_strategy="sequential",
        max_steps=config.max_steps,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulate,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup,
        bf16=config.bf16,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=50,
        save_strategy="no",
        report_to=[],
        remove_unused_columns=False,
        disable_tqdm=True,
    )
    trainer = Trainer(
        TrainingModel(model), arguments, data_collator=Collator(special), train_dataset=Examples(items),
        optimizers=(torch.optim.AdamW(parameter_groups(model, config)), None),
    )  # fmt: skip
    trainer.train()
    if trainer.is_world_process_zero():
        model.save_pretrained(output / "model", tokenizer_file, half=config.half)
        tagger = Tagger(output / "model", dtype="fp32")
        scores = {name: evaluate(tagger, documents) for name, documents in dev.items() if documents}
        record = {"config": dataclasses.asdict(config), "pretraining": pretraining(config), "scores": scores}
        (output / "scores.json").write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
        for name, report in scores.items():
            print(name, {k: v["f1"] if isinstance(v, dict) and "f1" in v else v for k, v in report.items()
                         if "by_" not in k and k != "data_sha256"})  # fmt: skip


if __name__ == "__main__":
    train(load_config(Path(sys.argv[1]), FinetuneConfig, sys.argv[2:]))
