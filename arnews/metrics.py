"""Strict scores of predicted documents against gold ones.

Takes two lists of documents over the same texts; gives counts and F1. A span is right where its start, end and label
are. Equal to seqeval (strict, IOB2) where seqeval can score. Knows nothing of models.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from arnews.document import Document


@dataclass(frozen=True, slots=True)
class Score:
    """Counts and what follows from them: precision, recall and F1 in [0, 1], 0 where there is nothing to divide by.

    >>> Score(right=3, predicted=4, gold=6).f1
    0.6
    """

    right: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.predicted + self.gold) if self.predicted + self.gold else 0.0

    def __add__(self, other: Score) -> Score:
        return Score(self.right + other.right, self.predicted + other.predicted, self.gold + other.gold)


Items = Callable[[Document], Sequence[Hashable]]


def entity_items(document: Document) -> list[Hashable]:
    """(start, end, label) of each entity."""
    return [(e.start, e.end, e.label) for e in document.entities]


def trigger_items(document: Document) -> list[Hashable]:
    """(start, end, type) of each event."""
    return [(e.start, e.end, e.type) for e in document.events]


def trigger_spans(document: Document) -> list[Hashable]:
    """(start, end) of each event."""
    return [(e.start, e.end) for e in document.events]


def argument_items(document: Document) -> list[Hashable]:
    """(trigger start, trigger end, event type, role, entity start, entity end) of each argument."""
    return [
        (e.start, e.end, e.type, a.role, a.entity.start, a.entity.end) for e in document.events for a in e.arguments
    ]


def score(gold: Sequence[Document], predicted: Sequence[Document], items: Items) -> Score:
    """The strict score over all documents; repeated items count as often as they stand."""
    return sum((s for s in document_scores(gold, predicted, items)), Score(0, 0, 0))


def document_scores(gold: Sequence[Document], predicted: Sequence[Document], items: Items) -> list[Score]:
    """The strict score of each document."""
    out = []
    for left, right in zip(gold, predicted, strict=True):
        if left.text != right.text:
            raise ValueError(f"the texts differ: {left.text[:40]!r} and {right.text[:40]!r}")
        a, b = Counter(items(left)), Counter(items(right))
        out.append(Score((a & b).total(), b.total(), a.total()))
    return out


def score_by_label(gold: Sequence[Document], predicted: Sequence[Document], items: Items) -> dict[str, Score]:
    """The strict score of each label, which is an item's third part."""
    out: dict[str, Score] = defaultdict(lambda: Score(0, 0, 0))
    for left, right in zip(gold, predicted, strict=True):
        a, b = Counter(items(left)), Counter(items(right))
        for counter, place in ((a & b, 0), (b, 1), (a, 2)):
            for item, count in counter.items():
                counts = [0, 0, 0]
                counts[place] = count
                out[item[2]] += Score(*counts)  # type: ignore[index]
    return dict(sorted(out.items()))


def modality_accuracy(gold: Sequence[Document], predicted: Sequence[Document]) -> Score:
    """Of the triggers found in both, those with the right modality (as `precision`)."""
    right = total = 0
    for left, other in zip(gold, predicted, strict=True):
        modality = {(e.start, e.end, e.type): e.modality for e in left.events}
        for event in other.events:
            key = (event.start, event.end, event.type)
            if key in modality:
                total += 1
                right += modality[key] == event.modality
    return Score(right, total, total)


def bootstrap(scores: Sequence[Score], *, samples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The 95% interval of micro F1 over documents drawn with replacement.

    >>> bootstrap([Score(1, 1, 1)] * 5)
    (1.0, 1.0)
    """
    if not scores:
        return 0.0, 0.0
    table = np.array([(s.right, s.predicted, s.gold) for s in scores], dtype=np.float64)
    draws = np.random.default_rng(seed).integers(len(table), size=(samples, len(table)))
    right, predicted, gold = table[draws].sum(axis=1).T
    f1 = 2 * right / np.maximum(predicted + gold, 1)
    low, high = np.quantile(f1, [0.025, 0.975])
    return float(low), float(high)
