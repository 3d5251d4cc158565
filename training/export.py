"""Export a fine-tuned model to the graphs that are shipped.

python -m training.export configs/export.yaml [key=value …]
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from arnews.datasets import corpus, read_marked
from arnews.export import export
from training.config import load_config


@dataclass(frozen=True)
class ExportConfig:
    """One export."""

    model: str  # a folder written by training.finetune
    output: str
    precision: str = field(default="int8", metadata={"choices": ("int8", "fp32")})
    documents: str = ""  # gold documents in the corpus markup that int8 is measured on; empty: the shipped dev split


def main(config: ExportConfig) -> None:
    """Export, and print what was measured."""
    documents = read_marked(Path(config.documents)) if config.documents else corpus("dev")
    figures = export(Path(config.model), Path(config.output), documents, precision=config.precision)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(load_config(Path(sys.argv[1]), ExportConfig, sys.argv[2:]))
