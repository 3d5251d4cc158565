"""Pretrain an encoder: tokenizer, packed corpus, training; every stage is skipped when done.

    python -m training.pretrain configs/pretrain-small.yaml [key=value …]

Runs on a CPU, a GPU, or several processes (`accelerate launch -m training.pretrain …`) without change. A killed run
goes on from its last complete checkpoint to the same losses: what a step draws depends on the seed and its number
alone.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from transformers import (
    AutoModelForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RoFormerConfig,
    RoFormerForMaskedLM,
)

from arnews.model import encoder_config
from training.config import load_config
from training.masking import Masker
from training.objectives import ReplacedTokens, kept, masked_logits, mean_loss, restorer
from training.tokens import build_tokenizer, count_embeddings, load_tokenizer, pack

PRETRAINING = "pretraining.json"  # beside an encoder, the config that it was made by


@dataclass(frozen=True)
class PretrainConfig:
    """One pretraining run."""

    texts: tuple[str, ...]  # files, one paragraph a line, a blank line between documents; .xz is read as such
    output: str  # folder for the tokenizer, packed tokens, checkpoints, log and the final encoder
    seed: int = 1
    init_from: str | None = None  # a checkpoint to continue, or a tagger's encoder; its tokenizer and shape are taken
    seen: int = 0  # tokens that init_from was pretrained on before; the card adds them
    vocab_size: int = field(default=16000, metadata={"low": 200, "high": 65000})
    embedding_size: int = 128  # factorised: token vectors of this width, projected to hidden_size
    hidden_size: int = 256
    layers: int = 4
    heads: int = 4
    feed_forward: int = 1024
    dropout: float = field(default=0.0, metadata={"low": 0.0, "high": 0.9})  # also of what init_from names
    count_embeddings: bool = True  # start token vectors from a factorised co-occurrence matrix
    objective: str = field(default="masked", metadata={"choices": ("masked", "replaced")})  # words masked or replaced
    sequence_length: int = field(default=128, metadata={"low": 8, "high": 512})
    short_steps: int = 0  # the first steps, with four times as many sequences of a quarter of the length
    mask_rate: float = field(default=0.15, metadata={"low": 0.01, "high": 0.9})
    batch_size: int = 32  # sequences a step over all processes
    accumulate: int = field(default=1, metadata={"low": 1})  # a step's batch is computed in this many parts
    steps: int = field(default=1000, metadata={"low": 1})
    warmup: int = 200
    decay: int = 250  # the last steps, over which the rate falls to a hundredth; a run can be lengthened before them
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    clip: float = 1.0
    bf16: bool = True
    held_out: float = field(default=0.005, metadata={"low": 0.0001, "high": 0.5})  # last share of the packed tokens
    log_every: int = 50
    save_every: int = 500


def build_model(config: PretrainConfig, tokenizer: PreTrainedTokenizerFast, tokens: np.ndarray) -> PreTrainedModel:
    """The network with its masked-word head: a given checkpoint, or a fresh RoFormer: a BERT whose token vectors are
    narrower than its layers, and whose positions are rotations. At 1.6 M tokens its masked-word loss was 6.38, that
    of the same shape with learned positions 7.51 (7.21 after 4.1 M)."""
    torch.manual_seed(config.seed)
    if config.init_from:
        shape = encoder_config(config.init_from, config.dropout)
        return AutoModelForMaskedLM.from_pretrained(config.init_from, config=shape, dtype=torch.float32)
    fresh = RoFormerConfig(
        vocab_size=len(tokenizer),
        embedding_size=config.embedding_size,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=config.feed_forward,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.dropout,
        max_position_embeddings=512,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = RoFormerForMaskedLM(fresh)
    if config.count_embeddings:
        vectors = count_embeddings(tokens, len(tokenizer), config.embedding_size)
        model.roformer.embeddings.word_embeddings.weight.data.copy_(torch.from_numpy(vectors))
        model.roformer.embeddings.word_embeddings.weight.data[tokenizer.pad_token_id].zero_()
    return model


def build_objective(config: PretrainConfig, encoder: PreTrainedModel) -> torch.nn.Module:
    """The encoder with what it is trained on."""
    return ReplacedTokens(encoder) if config.objective == "replaced" else encoder


def learning_rate(config: PretrainConfig, step: int) -> float:
    """Linear warm-up, a constant rate, and at the end a fall to a hundredth along 1 - sqrt (Hägele et al., 2024)."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    done = max(0.0, 1 - (config.steps - step) / max(1, config.decay))
    return config.learning_rate * max(0.01, 1 - math.sqrt(done))


def save_checkpoint(folder: Path, step: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Write a checkpoint beside the others, then give it its name, which only a complete one has; keep two."""
    temporary = folder / "checkpoint.tmp"
    state = {"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    with temporary.open("wb") as out:
        torch.save(state, out)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(folder / f"checkpoint-{step:08d}.pt")
    for old in sorted(folder.glob("checkpoint-*.pt"))[:-2]:
        old.unlink()


def evaluate(model: torch.nn.Module, masker: Masker, accelerator: Accelerator) -> dict[str, float]:
    """Loss and accuracy of masked words on the held-out tail."""
    model.eval()
    loss, right, count = 0.0, 0, 0
    with torch.no_grad(), accelerator.autocast():
        for batch in masker.held_out_batches():
            ids, chosen, gold = (part.to(accelerator.device) for part in batch)
            logits = masked_logits(restorer(model), ids, chosen).float()
            loss += torch.nn.functional.cross_entropy(logits, gold, reduction="sum").item()
            right += int((logits.argmax(-1) == gold).sum())
            count += len(gold)
    model.train()
    return {"held_out_loss": loss / count, "held_out_accuracy": right / count}


def train(config: PretrainConfig) -> None:
    """Run all stages; the final encoder lies in `output/encoder`."""
    accelerator = Accelerator(mixed_precision="bf16" if config.bf16 else "no")
    folder = Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    with accelerator.main_process_first():
        if config.init_from:
            tokenizer = load_tokenizer(config.init_from)
        else:
            tokenizer = build_tokenizer(config.texts, config.vocab_size, folder)
        tokens = pack(config.texts, tokenizer, folder)
    masker = Masker(config, tokenizer, tokens)
    training_tokens = tokens[: masker.training * masker.body]
    short = short_masker(config, tokenizer, training_tokens) if config.short_steps else masker
    checkpoints = sorted(folder.glob("checkpoint-*.pt"))
    encoder = build_model(config if not checkpoints else config_without_counts(config), tokenizer, training_tokens)
    model = build_objective(config, encoder).to(accelerator.device)
    decay = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}],
        lr=config.learning_rate, betas=(0.9, 0.98), eps=1e-6,
    )  # fmt: skip
    first = 0
    if checkpoints:
        state = torch.load(checkpoints[-1], map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    optimizer = accelerator.prepare(optimizer)
    model.train()
    log = (folder / "log.jsonl").open("a", encoding="utf-8")
    clock, seen, sum_loss = time.perf_counter(), 0, 0.0
    for step in range(first, config.steps):
        torch.manual_seed(config.seed * 1_000_003 + step)  # dropout depends on the step alone
        rate = learning_rate(config, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        sum_loss += train_step(
            model, optimizer, accelerator, (short if step < config.short_steps else masker).batch(step), config
        )
        seen += config.batch_size * config.sequence_length
        done = step + 1
        if accelerator.is_main_process and (done % config.log_every == 0 or done == config.steps):
            since = config.log_every if done % config.log_every == 0 else done % config.log_every
            line = {"step": done, "loss": sum_loss / since, "lr": rate}
            if done % config.save_every == 0 or done == config.steps:
                line |= evaluate(model, masker, accelerator)
            line["tokens_per_s"] = round(seen / (time.perf_counter() - clock))
            log.write(json.dumps(line) + "\n")
            log.flush()
            print(line, flush=True)
            clock, seen, sum_loss = time.perf_counter(), 0, 0.0
        if accelerator.is_main_process and (done % config.save_every == 0 or done == config.steps):
            save_checkpoint(folder, done, model, optimizer)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        finish(model, tokenizer, folder, config)


def short_masker(config: PretrainConfig, tokenizer: PreTrainedTokenizerFast, tokens: np.ndarray) -> Masker:
    """Steps of as many tokens, in sequences of a quarter of the length: attention costs less at first."""
    length, batch = max(8, config.sequence_length // 4), config.batch_size * 4
    return Masker(dataclasses.replace(config, sequence_length=length, batch_size=batch), tokenizer, tokens)


def config_without_counts(config: PretrainConfig) -> PretrainConfig:
    """Resuming: the weights come from the checkpoint, so the count matrix need not be made again."""
    return dataclasses.replace(config, count_embeddings=False)


def train_step(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    accelerator: Accelerator,
    batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    config: PretrainConfig,
) -> float:
    """One update over the whole batch, in `accumulate` parts, each process its own rows; gives the mean loss."""
    ids, chosen, gold = batch
    targets = torch.full_like(ids, -100)
    targets[chosen] = gold
    mine = slice(accelerator.process_index, None, accelerator.num_processes)
    total = torch.zeros((), device=accelerator.device)
    for part_ids, part in zip(ids[mine].chunk(config.accumulate), targets[mine].chunk(config.accumulate), strict=True):
        part_ids, part = part_ids.to(accelerator.device), part.to(accelerator.device)
        picked = part != -100
        with accelerator.autocast():
            part_loss = mean_loss(model, part_ids, picked, part[picked], len(gold), ids.numel())
        accelerator.backward(part_loss)
        total += part_loss.detach()
    if accelerator.num_processes > 1:  # the forward pass goes around the model's own, so the sums are made here
        total = accelerator.reduce(total)
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad = accelerator.reduce(parameter.grad)
    accelerator.clip_grad_norm_(model.parameters(), config.clip)
    optimizer.step()
    optimizer.zero_grad()
    if not math.isfinite(loss := total.item()):
        raise FloatingPointError(f"the loss is {loss}")
    return loss


def finish(model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast, folder: Path, config: PretrainConfig) -> None:
    """Save the encoder with its tokenizer in plain Hugging Face form, and draw the losses."""
    temporary = folder / "encoder.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    kept(model).save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    (temporary / PRETRAINING).write_text(json.dumps(dataclasses.asdict(config), ensure_ascii=False, indent=1))
    shutil.rmtree(folder / "encoder", ignore_errors=True)
    temporary.replace(folder / "encoder")
    plot(folder)


def plot(folder: Path) -> None:
    """Draw `log.jsonl` as `loss.png`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.plot([x["step"] for x in lines], [x["loss"] for x in lines], label="training")
    held = [x for x in lines if "held_out_loss" in x]
    axes.plot([x["step"] for x in held], [x["held_out_loss"] for x in held], label="held out")
    axes.set(xlabel="step", ylabel="loss")
    axes.legend()
    figure.savefig(folder / "loss.png", dpi=120)


if __name__ == "__main__":
    train(load_config(Path(sys.argv[1]), PretrainConfig, sys.argv[2:]))
