"""Export a fine-tuned model to the graphs that are shipped, measure them, and write the card.

python -m training.export configs/export.yaml [key=value …]
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from arnews.card import card
from arnews.datasets import corpus, read_marked
from arnews.evaluate import evaluate
from arnews.export import export
from arnews.tagger import Tagger
from training.config import load_config
from training.data import held_out


@dataclass(frozen=True)
class ExportConfig:
    """One export."""

    run: str  # the output folder of training.finetune
    output: str
    title: str = "arnews small"
    precision: str = field(default="int8", metadata={"choices": ("int8", "fp32")})
    tables: tuple[str, ...] = ()  # what `training.choices` and `training.compare` wrote: sections of the card
    real_news: str = ""  # a file or folder in the corpus markup; the fifth never trained on is measured too


def main(config: ExportConfig) -> None:
    """Export, measure on the dev and test splits, write README.md into the folder."""
    run, output = Path(config.run), Path(config.output)
    dev = corpus("dev")
    figures = export(run / "model", output, dev, precision=config.precision)
    tagger = Tagger(output)
    scores = {"shipped corpus, test": evaluate(tagger, corpus("test")), "shipped corpus, dev": evaluate(tagger, dev)}
    if config.real_news:
        unseen = [d for d in read_marked(Path(config.real_news)) if held_out(d.id)]
        scores = {"real news, held out": evaluate(tagger, unseen)} | scores
    record = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    training = record["config"] | {"pretraining": record["pretraining"]}
    tables = [json.loads(Path(path).read_text(encoding="utf-8")) for path in config.tables]
    more = "\n\n".join(f"## {found['title']}\n\n{found['table']}" for found in tables)
    text = card(config.title, training, scores, figures, more)
    (output / "README.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(load_config(Path(sys.argv[1]), ExportConfig, sys.argv[2:]))
