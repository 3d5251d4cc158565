"""Checkpoints that are known to be whole, early stopping, and a clean end on SIGTERM: callbacks of the Trainer.

Takes folders that the Trainer writes; gives the newest one that every file of is there. Knows nothing of the network.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from arnews.folder import sha256

MARKER = "complete.json"


def mark_complete(checkpoint: Path) -> None:
    """Write down the sha256 of all files, last of all: a checkpoint without it was cut off."""
    files = {p.name: sha256(p) for p in sorted(checkpoint.iterdir()) if p.is_file() and p.name != MARKER}
    temporary = checkpoint / f"{MARKER}.tmp"
    with temporary.open("w", encoding="utf-8") as out:
        json.dump(files, out)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(checkpoint / MARKER)


def is_complete(checkpoint: Path) -> bool:
    """Whether every file is the one that was marked."""
    try:
        files = json.loads((checkpoint / MARKER).read_text(encoding="utf-8"))
        return all(sha256(checkpoint / name) == digest for name, digest in files.items())
    except (OSError, ValueError):
        return False


def last_complete(folder: Path) -> Path | None:
    """The newest whole checkpoint; newer ones that are not whole are named and removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]), reverse=True)
    for checkpoint in found:
        if is_complete(checkpoint):
            return checkpoint
        print(f"{checkpoint} is incomplete: going on from an earlier one", flush=True)
        shutil.rmtree(checkpoint)
    return None


def _wait() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


class Checkpoints(TrainerCallback):  # type: ignore[misc]
    """Marks checkpoints when every process has written its part; on SIGTERM, in a `with` block, saves after the
    step and stops."""

    def __init__(self) -> None:
        self.stopped = False

    def __enter__(self) -> Checkpoints:
        self.before = signal.signal(signal.SIGTERM, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self.before)

    def _stop(self, *_: Any) -> None:
        self.stopped = True

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        if self.stopped:
            control.should_save = control.should_training_stop = True
        return control

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        _wait()
        if state.is_world_process_zero:
            mark_complete(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")


class EarlyStopping(TrainerCallback):  # type: ignore[misc]
    """Scores the model every `every` steps, keeps the best, stops after `patience` scores that are no better.

    `score` saves the model to a folder and gives its score; `best` is where the best one is put.
    """

    def __init__(self, score: Callable[[Path], float], best: Path, every: int, patience: int) -> None:
        self.score, self.best, self.every, self.patience = score, best, every, patience
        self.log = best.with_name("dev.jsonl")

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero:  # what came after the checkpoint is scored again
            self._write([entry for entry in self._read() if entry["step"] <= state.global_step])

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        if state.global_step % self.every:
            return control
        stop = [False]
        if state.is_world_process_zero:
            candidate = self.best.with_name("candidate")
            entries = [*self._read(), {"step": state.global_step, "score": self.score(candidate)}]
            self._write(entries)
            scores = [entry["score"] for entry in entries]
            if scores.index(max(scores)) == len(scores) - 1:
                shutil.rmtree(self.best, ignore_errors=True)
                candidate.replace(self.best)
            stop[0] = bool(self.patience) and len(scores) - 1 - scores.index(max(scores)) >= self.patience
            print({"step": state.global_step, "dev": round(scores[-1], 2)}, flush=True)
        if torch.distributed.is_initialized():
            torch.distributed.broadcast_object_list(stop)
        control.should_training_stop |= stop[0]
        return control

    def _read(self) -> list[dict[str, Any]]:
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines]

    def _write(self, entries: list[dict[str, Any]]) -> None:
        self.log.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
