"""The model card: what a model was made of and how good it is, as README.md of its folder.

Takes what training recorded and what `arnews.evaluate` measured; gives Markdown. Knows nothing of models.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Mapping
from typing import Any

from arnews import __version__

LICENCES = {
    "arnews": "the shipped corpus, CC BY 4.0, synthetic text",
    "markup": "real news annotated in the corpus markup; the annotation is ours, the text is not published",
    "anercorp": "ANERcorp in the CAMeL Lab split (news of 2005), CC BY-SA 4.0",
    "aqmar": "AQMAR (Wikipedia), CC BY-SA 3.0",
    "wikifane": "WikiFANE gold (Wikipedia), CC BY-SA 3.0",
    "wojood": "Wojood, under the terms of its makers",
    "conll": "a file of the trainer's own, its licence not stated",
}
PRETRAINING = (
    "newspapers of about 20 Arab countries (no licence stated), Al Mayadeen 2023-24 (scraped), ANT v1.1 Tunisian radio "
    "news (Apache-2.0), SaudiNewsNet 2015 (CC BY-NC-SA 4.0), Arabic Wikipedia 2017 (CC BY-SA 3.0); 16.8 M words"
)

CONTINUED = (
    " Part of them came after an earlier fine-tuning on the same sets: pretraining went on from the encoder of the "
    "tagger before this one."
)
TUNED_AGAIN = " Fine-tuning went on from the encoder of the tagger before this one, with new heads."


def commit() -> str:
    """The commit of the source tree that one stands in, `unknown` outside of one."""
    try:
        done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def _row(name: str, part: Any) -> str:
    if isinstance(part, Mapping):
        low, high = part["interval"]
        return f"| {name} | {part['f1']} | {low}-{high} | {part['precision']} | {part['recall']} | {part['gold']} |"
    return f"| {name} (accuracy) | {part} | | | | |"


def score_table(report: Mapping[str, Any]) -> str:
    """One evaluation as a Markdown table, with the hash of what it was measured on."""
    names = {
        "entities": "entities", "triggers": "triggers (span and type)", "trigger_spans": "triggers (span)",
        "modality_given_triggers": "modality, given triggers", "arguments_given_triggers": "arguments, given triggers",
        "arguments_given_spans": "arguments, given triggers and entities", "arguments": "arguments, end to end",
    }  # fmt: skip
    rows = [_row(title, report[key]) for key, title in names.items() if key in report]
    return "\n".join(
        [
            f"{report['documents']} documents, sha256 `{report['data_sha256'][:16]}`",
            "",
            "| strict scores, percent | F1 | 95% interval | precision | recall | gold |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    )


def card(
    title: str,
    training: Mapping[str, Any],
    scores: Mapping[str, Mapping[str, Any]],
    figures: Mapping[str, float],
    more: str = "",
) -> str:
    """The card of a model: `training` is the recorded config, `scores` an evaluation for each data set, `figures`
    what the export measured, `more` sections that stand before the limits."""
    pretraining = training.get("pretraining", {})
    tokens = math.prod(pretraining.get(key, 0) for key in ("steps", "batch_size", "sequence_length"))
    tokens += pretraining.get("seen", 0)
    sets = sorted({item["format"] for item in training["data"] if not item.get("score_only")})
    events = any("triggers" in report for report in scores.values())
    what = "nested entities" + (", and events with modality and arguments" if events else "")
    argument = "" if figures else "folder"
    engine = (
        "the int8 graph that is shipped, by `python -m training.export configs/export.yaml`"
        if figures
        else "the weights in fp32, by `training/finetune.py`"
    )
    lines = [
        "---",
        "language: ar",
        "license: cc-by-sa-4.0",
        "tags: [arabic, named-entity-recognition, event-extraction, news]",
        "---",
        "",
        f"# {title}",
        "",
        f"Reads Arabic news: {what}. Use it with `from arnews import Tagger; Tagger({argument})`.",
        "",
        "## Scores",
        "",
        f"Measured on {engine}, which writes this card. Intervals are bootstrapped over documents. An argument counts "
        "where trigger, role and entity span are right.",
        "",
    ]
    for name, report in scores.items():
        lines += [f"### {name}", "", score_table(report), ""]
    lines += [
        "## Data and licences",
        "",
        "The weights are licensed CC BY-SA 4.0. Fine-tuned on:",
        "",
        *(f"- {LICENCES[name]}" for name in sets),
        "",
        f"The encoder was pretrained with masked words on {PRETRAINING}; it saw {tokens / 1e6:.1f} M tokens."
        + (CONTINUED if pretraining.get("seen") else "")
        + (TUNED_AGAIN if pretraining.get("tagger_before") else "")
        if pretraining
        else f"The encoder is {training['encoder']}: its licence holds too.",
        "",
        "## How it was made",
        "",
        f"arnews {__version__}, commit `{commit()}`. Pretraining: `training/pretrain.py`; fine-tuning: "
        "`training/finetune.py`; export: `training/export.py`.",
        "",
        "| key | value |",
        "|---|---|",
        *(
            f"| {key} | {value} |"
            for key, value in training.items()
            if key not in ("data", "output", "encoder", "pretraining")
        ),
        *(f"| pretraining: {key} | {value} |" for key, value in pretraining.items()),
        *(f"| export: {key} | {value:.2g} |" for key, value in figures.items()),
        "",
        *([more, ""] if more else []),
        "## Limits",
        "",
        "Trained on news: dialect, poetry and chat are read badly. Rare event types and labels have few examples, see "
        "the scores. The shipped corpus is synthetic text: go by the scores on real news. The model "
        "reports what a text says, not what is true.",
        "",
    ]
    return "\n".join(lines)
