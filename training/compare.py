"""Fine-tunings beside each other: what a setting, a data set or more of it brings.

    python -m training.compare configs/compare.yaml [key=value …]

Finished runs are kept, so a killed command goes on. The table goes into the card by `training.export …
tables=[FOLDER/compare.json]`.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.choices import Choice
from training.config import load_config
from training.evaluate import flat_scores, markdown
from training.finetune import FinetuneConfig, train


@dataclass(frozen=True)
class CompareConfig:
    """Fine-tunings to compare."""

    base: str  # a config of training.finetune
    output: str
    choices: tuple[Choice, ...]  # each the base with its changes
    set: tuple[str, ...] = ()  # changes of the base that all share, as key=value
    title: str = "Fine-tunings compared"  # of the table in a card


def run(config: CompareConfig, choice: Choice) -> dict[str, Any]:
    """Fine-tune one variant and give its scores by dev set; a run that is finished already is read again."""
    folder = Path(config.output) / choice.name
    if not (folder / "scores.json").exists():
        train(load_config(Path(config.base), FinetuneConfig, [*config.set, *choice.set, f"output={folder}"]))
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))["scores"]
    return {"choice": choice.name} | {
        f"{name}: {key}": figure for name, report in scores.items() for key, figure in flat_scores(report).items()
    }


def main(config: CompareConfig) -> None:
    """All runs, then the table on the terminal and in `compare.json`."""
    found = [run(config, choice) for choice in config.choices]
    columns = list(dict.fromkeys(key for row in found for key in row if key != "choice"))
    table = markdown(found, columns)
    (Path(config.output) / "compare.json").write_text(
        json.dumps({"title": config.title, "runs": found, "table": table})
    )
    print(table)


if __name__ == "__main__":
    main(load_config(Path(sys.argv[1]), CompareConfig, sys.argv[2:]))
