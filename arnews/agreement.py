"""How far two annotations of the same texts agree.

Takes two sets of labelled documents; gives F1 and accuracy, and every difference as a line. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from arnews import metrics
from arnews.datasets import LabelledDocument
from arnews.document import Document

Pair = tuple[str, Document, Document]


def pairs(first: Sequence[LabelledDocument], second: Sequence[LabelledDocument]) -> list[Pair]:
    """The documents that both have, by id. Raises `ValueError` where none is, or where a text differs."""
    others = {item.id: item.document for item in second}
    out = [(item.id, item.document, others[item.id]) for item in first if item.id in others]
    if not out:
        raise ValueError("the two sets have no document in common: documents are matched by id")
    for name, left, right in out:
        if left.text != right.text:
            at = next((i for i, (a, b) in enumerate(zip(left.text, right.text, strict=False)) if a != b), 0)
            raise ValueError(f"{name}: the texts differ from {left.text[at : at + 30]!r}, {right.text[at : at + 30]!r}")
    return out


def agreement(documents: Sequence[Pair]) -> dict[str, float | int]:
    """Strict scores of the second annotation against the first, in percent (F1 is the same the other way round);
    modality and arguments of the triggers that both mark alike."""
    left, right = [d for _, d, _ in documents], [d for _, _, d in documents]
    common = [(_only_shared(a, b), _only_shared(b, a)) for a, b in zip(left, right, strict=True)]
    ours, theirs = [a for a, _ in common], [b for _, b in common]
    return {
        "documents": len(documents),
        "words": sum(len(d.text.split()) for d in left),
        "entities": round(100 * metrics.score(left, right, metrics.entity_items).f1, 1),
        "entity spans": round(100 * metrics.score(left, right, lambda d: [(e.start, e.end) for e in d.entities]).f1, 1),
        "triggers": round(100 * metrics.score(left, right, metrics.trigger_items).f1, 1),
        "trigger spans": round(100 * metrics.score(left, right, metrics.trigger_spans).f1, 1),
        "modality": round(100 * metrics.modality_accuracy(left, right).precision, 1),
        "arguments": round(100 * metrics.score(ours, theirs, metrics.argument_items).f1, 1),
    }


def _only_shared(document: Document, other: Document) -> Document:
    shared = set(metrics.trigger_items(other))
    return replace(document, events=tuple(e for e in document.events if (e.start, e.end, e.type) in shared))


def differences(documents: Sequence[Pair]) -> Iterator[str]:
    """Every mark that only one of the two has, in the order of the text: `id:start: < first's` or `> second's`."""
    for name, left, right in documents:
        sides = [_marks(left), _marks(right)]
        only = [(key, "<") for key in sides[0] - sides[1]] + [(key, ">") for key in sides[1] - sides[0]]
        for (start, end, what), sign in sorted(only):
            context = " ".join(left.text[max(0, start - 25) : end + 25].split())
            yield f"{name}:{start}: {sign} {left.text[start:end]} {what}   [{context}]"


def _marks(document: Document) -> set[tuple[int, int, str]]:
    out = {(e.start, e.end, e.label) for e in document.entities}
    out |= {(e.start, e.end, f"{e.type}.{e.modality}") for e in document.events}
    return out | {(e.start, e.end, f"{a.role}={a.entity.text}") for e in document.events for a in e.arguments}
