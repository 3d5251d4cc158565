"""How good a tagger is on gold documents.

Takes a tagger and labelled documents; gives every score of `arnews.metrics` as plain numbers in percent, and the
hash of what was measured on. Knows nothing of training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from arnews import metrics
from arnews.datasets import UNKNOWN, LabelledDocument
from arnews.decode import Spans
from arnews.document import Document, Entity
from arnews.tagger import Tagger, read
from arnews.text import Text


def word_range(text: Text, words: np.ndarray, start: int, end: int) -> tuple[int, int, int]:
    """The words `[first, last)` that the raw span touches, and the letters of the first before it.

    `words`: (words, 2) clean offsets.
    """
    left, right = text.to_clean(start, end)
    first = int(np.searchsorted(words[:, 1], left, side="right"))
    last = int(np.searchsorted(words[:, 0], right, side="left"))
    return first, max(last, first + 1), max(0, left - int(words[first, 0])) if first < len(words) else 0


def tag_given(tagger: Tagger, gold: Sequence[Document], *, entities: bool = False) -> list[Document]:
    """Tag texts whose triggers are known, and with `entities` these too: the rest is the tagger's."""
    kinds = {name: i for i, name in enumerate(tagger.config.events)}
    labels = {name: i for i, name in enumerate(tagger.config.entities)}
    out = []
    for document in gold:
        parts = read(document.text)
        if len(parts) > 1:
            raise ValueError(f"a gold document of {len(parts[0].words)} words or more: divide it")
        words = np.array(parts[0].words, dtype=np.int64).reshape(-1, 2)

        def spans(found: list[tuple[int, int, int]], text: Text = parts[0].text, words: np.ndarray = words) -> Spans:
            rows = sorted((*word_range(text, words, start, end), kind) for start, end, kind in found)
            table = np.array(rows, dtype=np.int64).reshape(-1, 4)
            return Spans(table[:, 0], table[:, 1], table[:, 3], np.ones(len(table)), table[:, 2])

        triggers = spans([(e.start, e.end, kinds[e.type]) for e in document.events if e.type in kinds])
        named = spans([(e.start, e.end, labels[e.label]) for e in document.entities if e.label in labels])
        out.append(tagger.tag_parts(parts, triggers, named if entities else None)[0])
    return out


@dataclass(frozen=True, slots=True)
class Predictions:
    """The tagger's documents: of the texts alone; of the texts with their triggers given; with triggers and entities
    given. The last two are empty where the set has no events."""

    found: list[Document]
    given_triggers: list[Document]
    given_spans: list[Document]


def predict(tagger: Tagger, labelled: Sequence[LabelledDocument]) -> Predictions:
    """The tagger's documents in the terms of the set.

    Only the labels that it annotates are kept; of a set that marks no name inside another the outermost; a GPE is a
    `GPE/LOC/FAC` where the set tells them not apart.
    """
    gold = [item.document for item in labelled]
    found = {e.label for d in gold for e in d.entities}
    coarse = {part: label for label in found if "/" in label for part in label.split("/")}
    predicted = [
        replace(document, entities=_in_terms(document, item, coarse))
        for document, item in zip(tagger.pipe(d.text for d in gold), labelled, strict=True)
    ]
    events = bool(labelled) and all(item.events for item in labelled) and bool(tagger.config.events)
    if not events:
        return Predictions(predicted, [], [])
    return Predictions(predicted, tag_given(tagger, gold), tag_given(tagger, gold, entities=True))


def _in_terms(document: Document, item: LabelledDocument, coarse: dict[str, str]) -> tuple[Entity, ...]:
    out: list[Entity] = []
    for e in sorted(document.entities, key=lambda e: (e.start, -e.end)):
        if e.label in item.annotates and not (item.flat and out and e.start < out[-1].end):
            out.append(replace(e, label=coarse[e.label]) if e.label in coarse else e)
    return tuple(out)


def evaluate(tagger: Tagger, labelled: Sequence[LabelledDocument]) -> dict[str, Any]:
    """All scores in percent, with 95% bootstrap intervals, on documents that annotate entities and, where all of
    them do, events."""
    return scores(labelled, predict(tagger, labelled))


def scores(labelled: Sequence[LabelledDocument], predictions: Predictions) -> dict[str, Any]:
    """The scores of what `predict` gave."""
    gold = [_known(item.document) for item in labelled]
    predicted, given = predictions.found, predictions.given_triggers
    report: dict[str, Any] = {
        "documents": len(gold),
        "data_sha256": data_hash(labelled),
        "entities": _report(gold, predicted, metrics.entity_items),
        "entities_by_label": _by_label(gold, predicted, metrics.entity_items),
    }
    if given:
        report |= {
            "triggers": _report(gold, predicted, metrics.trigger_items),
            "trigger_spans": _report(gold, predicted, metrics.trigger_spans),
            "triggers_by_type": _by_label(gold, predicted, metrics.trigger_items),
            "modality_given_triggers": round(100 * metrics.modality_accuracy(gold, given).precision, 2),
            "arguments_given_triggers": _report(gold, given, metrics.argument_items),
            "arguments_given_spans": _report(gold, predictions.given_spans, metrics.argument_items),
            "arguments": _report(gold, predicted, metrics.argument_items),
        }
    for part in ("entities", "triggers"):
        found = [s["f1"] for s in report.get(f"{part}_by_{'label' if part == 'entities' else 'type'}", {}).values()]
        if found:
            report[part]["macro_f1"] = round(sum(found) / len(found), 2)
    return report


def data_hash(labelled: Sequence[LabelledDocument]) -> str:
    """A sha256 over texts and gold spans, so that a score names what it was measured on."""
    digest = hashlib.sha256()
    for item in labelled:
        digest.update(repr(item.document.to_dict()).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _known(document: Document) -> Document:
    """A gold document without the spans whose labels are none of ours."""
    return replace(document, entities=tuple(e for e in document.entities if e.label != UNKNOWN))


def _report(
    gold: Sequence[Document], predicted: Sequence[Document], items: metrics.Items
) -> dict[str, float | int | list[float]]:
    each = metrics.document_scores(gold, predicted, items)
    total = sum(each, metrics.Score(0, 0, 0))
    low, high = metrics.bootstrap(each)
    return {
        "f1": round(100 * total.f1, 2),
        "precision": round(100 * total.precision, 2),
        "recall": round(100 * total.recall, 2),
        "interval": [round(100 * low, 2), round(100 * high, 2)],
        "gold": total.gold,
    }


def _by_label(
    gold: Sequence[Document], predicted: Sequence[Document], items: Callable[[Document], list[Any]]
) -> dict[str, dict[str, float | int]]:
    scores = metrics.score_by_label(gold, predicted, items)
    return {label: {"f1": round(100 * s.f1, 2), "gold": s.gold} for label, s in scores.items()}
