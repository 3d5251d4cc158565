"""An evaluation as files: scores, tables, plots, the worst sentences, CoNLL for anyone's scorer.

Takes a tagger and labelled documents; gives a folder. Plots need the train extra (matplotlib). Knows nothing of
training.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from arnews import breakdown, metrics
from arnews.card import score_table
from arnews.datasets import LabelledDocument
from arnews.errors import ExtraMissing
from arnews.evaluate import predict, scores
from arnews.render import html_pairs
from arnews.schema import schema
from arnews.tagger import Tagger

WORST = 100  # sentences of errors.html


def write_report(
    tagger: Tagger, labelled: Sequence[LabelledDocument], folder: Path | None, seen: Iterable[str] = ()
) -> str:
    """Evaluate; give the tables as Markdown, and write into `folder`, where one is given: `scores.md`, `scores.json`,
    `gold.conll`, `predicted.conll`, `errors.html`, `confusion-entities.png`, `confusion-triggers.png`.

    `seen`: the surfaces of the training data, to tell how well new ones are found. Raises `ExtraMissing` without
    seqeval and matplotlib.
    """
    gold = [item.document for item in labelled]
    predictions = predict(tagger, labelled)
    predicted = predictions.found
    report = scores(labelled, predictions)
    report["seqeval"] = breakdown.seqeval_scores(gold, predicted)
    grouped = breakdown.groups(labelled, predicted, seen)
    report["groups"] = {
        kind: {name: {part: round(100 * s.f1, 2) for part, s in parts.items()} for name, parts in found.items()}
        for kind, found in grouped.items()
    }
    text = "\n".join(_tables(report))
    if folder is None:
        return text
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scores.md").write_text(text, encoding="utf-8")
    (folder / "scores.json").write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    for name, side in (("gold", gold), ("predicted", predicted)):
        (folder / f"{name}.conll").write_text("".join(d.to_conll() for d in side), encoding="utf-8")
    worst = breakdown.worst_sentences(labelled, predicted, WORST)
    pairs = [(f"{s.name}: {s.errors}", s.gold, s.predicted) for s in worst]
    page = html_pairs(pairs, "arnews: the worst sentences", ("gold", "predicted"))
    (folder / "errors.html").write_text(page, encoding="utf-8", errors="replace")
    for part, items in (("entities", metrics.entity_items), ("triggers", metrics.trigger_items)):
        table = breakdown.confusion(gold, predicted, items)
        if table:
            plot_confusion(table, folder / f"confusion-{part}.png")
    return text


def _tables(report: Mapping[str, Any]) -> list[str]:
    out = [score_table(report), ""]
    macro = [f"{part} {report[part]['macro_f1']}" for part in ("entities", "triggers") if part in report]
    out += [f"Macro F1 over labels: {', '.join(macro)}.", ""]
    for part, title in (("entities_by_label", "entities"), ("triggers_by_type", "triggers")):
        if part in report:
            out += [f"| {title} | F1 | gold |", "|---|---|---|"]
            out += [f"| {label} | {s['f1']} | {s['gold']} |" for label, s in report[part].items()] + [""]
    out += ["| seqeval, over words | strict F1 | default F1 |", "|---|---|---|"]
    out += [f"| {name} | {s['strict']} | {s['default']} |" for name, s in report["seqeval"].items()] + [""]
    for kind, found in report["groups"].items():
        out += [f"| {kind} | entities | triggers |", "|---|---|---|"]
        out += [f"| {name} | {s.get('entities', '')} | {s.get('triggers', '')} |" for name, s in found.items()] + [""]
    return out


def pyplot_agg() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise ExtraMissing("plots", "train") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _named(label: str) -> str:
    """A label with its first Arabic example."""
    known = {**schema().entities, **schema().events}.get(label)
    return f"{label} · {known.examples[0]}" if known else label


def plot_confusion(table: Counter[tuple[str, str]], path: Path) -> None:
    """The confusions as a picture: a row for each gold label, shares of the row as colour, counts as numbers."""
    pyplot = pyplot_agg()
    order = [*schema().entities, *schema().events]
    found = {label for pair in table for label in pair} - {breakdown.NONE}
    labels = [*sorted(found, key=lambda x: (order.index(x) if x in order else len(order), x)), breakdown.NONE]
    grid = [[table[row, column] for column in labels] for row in labels]
    shares = [[n / max(1, sum(row)) for n in row] for row in grid]
    size = 3 + 0.42 * len(labels)
    figure, axes = pyplot.subplots(figsize=(size + 1, size))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=90)
    axes.set_yticks(range(len(labels)), [_named(label) for label in labels])
    axes.set(xlabel="predicted", ylabel="gold")
    for i, row in enumerate(grid):
        for j, count in enumerate(row):
            if count:
                color = "white" if shares[i][j] > 0.5 else "black"
                axes.text(j, i, str(count), ha="center", va="center", fontsize=7, color=color)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(figure)


def plot_curve(points: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A learning curve: `points` hold `words` of training text and scores by name."""
    pyplot = pyplot_agg()
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for name in [key for key in points[0] if key != "words"]:
        axes.plot([p["words"] for p in points], [p[name] for p in points], marker="o", label=name)
    axes.set(xlabel="words of training text", ylabel="F1, percent", ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(figure)
