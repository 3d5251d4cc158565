"""Counts of labelled documents.

Takes labelled documents by split; gives counts as plain numbers and as Markdown. Knows nothing of models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from arnews.datasets import LabelledDocument
from arnews.schema import schema


def totals(documents: Sequence[LabelledDocument]) -> dict[str, int]:
    """Documents, sentences (as the tagger divides them), words (between blanks), entities, events, arguments."""
    found = [item.document for item in documents]
    return {
        "documents": len(found),
        "sentences": sum(len(d.sentences) for d in found),
        "words": sum(len(d.text.split()) for d in found),
        "entities": sum(len(d.entities) for d in found),
        "events": sum(len(d.events) for d in found),
        "arguments": sum(len(e.arguments) for d in found for e in d.events),
    }


def counts(documents: Sequence[LabelledDocument]) -> dict[str, Counter[str]]:
    """How often each entity label, event type, modality, role, topic and genre stands."""
    found = [item.document for item in documents]
    events = [event for d in found for event in d.events]
    return {
        "entities": Counter(e.label for d in found for e in d.entities),
        "events": Counter(e.type for e in events),
        "modalities": Counter(e.modality for e in events),
        "roles": Counter(a.role for e in events for a in e.arguments),
        "topic": Counter(item.meta.get("topic", "?") for item in documents),
        "genre": Counter(item.meta.get("genre", "?") for item in documents),
    }


def tables(splits: Mapping[str, Sequence[LabelledDocument]]) -> str:
    """All counts as Markdown tables, a column for each split; labels that never stand are shown with 0."""
    head = f"| | {' | '.join(splits)} |\n|---|{'---|' * len(splits)}"
    total = {name: totals(documents) for name, documents in splits.items()}
    out = [head, *(_row(key, [total[name][key] for name in splits]) for key in next(iter(total.values()))), ""]
    each = {name: counts(documents) for name, documents in splits.items()}
    for section in ("entities", "events", "modalities", "roles", "topic", "genre"):
        seen = {key for name in splits for key in each[name][section]}
        known = list(getattr(schema(), section, ()))
        out += [head.replace("| |", f"| {section} |", 1)]
        out += [_row(k, [each[n][section][k] for n in splits]) for k in [*known, *sorted(seen - set(known))]]
        out.append("")
    return "\n".join(out)


def _row(name: str, numbers: Sequence[int]) -> str:
    return f"| {name} | {' | '.join(f'{n:,}' for n in numbers)} |"
