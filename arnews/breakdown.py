"""Where a tagger is good and where not: scores by group, confusions, the worst sentences, seqeval's view.

Takes labelled documents and the predictions of `arnews.evaluate.predict`; gives plain numbers. Knows nothing of models.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from arnews import metrics
from arnews.datasets import LabelledDocument
from arnews.document import Document
from arnews.errors import ExtraMissing

LENGTHS = ((1, 10), (11, 20), (21, 40), (41, 10_000))  # words of a sentence
NONE = "none"


def flat_tags(document: Document) -> tuple[list[list[str]], list[list[str]]]:
    """The IOB2 tags of a document's sentences as seqeval takes them: of the outermost entities, and of the triggers.

    >>> flat_tags(Document("زار وزير مصر", (), (), ((0, 12),)))
    ([['O', 'O', 'O']], [['O', 'O', 'O']])
    """
    entities: list[list[str]] = []
    triggers: list[list[str]] = []
    for block in document.to_conll().strip("\n").split("\n\n"):
        rows = [line.split("\t") for line in block.split("\n") if line]
        entities.append([row[1].split("|")[0] for row in rows])
        triggers.append([row[2].split(".")[0] for row in rows])
    return entities, triggers


def seqeval_scores(gold: Sequence[Document], predicted: Sequence[Document]) -> dict[str, dict[str, float]]:
    """F1 in percent as seqeval counts it, strict and default, of the flat layers. Raises `ExtraMissing` without it."""
    try:
        from seqeval.metrics import f1_score
        from seqeval.scheme import IOB2
    except ImportError:
        raise ExtraMissing("scores by seqeval", "train") from None
    out = {}
    for name, part in (("outermost entities", 0), ("triggers", 1)):
        left, right = ([tags for d in side for tags in flat_tags(d)[part]] for side in (gold, predicted))
        strict = f1_score(left, right, mode="strict", scheme=IOB2, zero_division=0)
        out[name] = {"strict": round(100 * strict, 2), "default": round(100 * f1_score(left, right), 2)}
    return out


Key = Callable[[LabelledDocument, int, int], str]  # the group of a span, by its document, start and end


def by_group(
    labelled: Sequence[LabelledDocument], predicted: Sequence[Document], key: Key
) -> dict[str, dict[str, metrics.Score]]:
    """Strict scores of entities and triggers for each group of spans."""
    out: dict[str, dict[str, metrics.Score]] = defaultdict(dict)
    for part, items in (("entities", metrics.entity_items), ("triggers", metrics.trigger_items)):
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for item, document in zip(labelled, predicted, strict=True):
            left, right = Counter(items(item.document)), Counter(items(document))
            for place, counter in enumerate((left & right, right, left)):
                for span, count in counter.items():
                    counts[key(item, span[0], span[1])][place] += count  # type: ignore[index]
        for group, numbers in counts.items():
            out[group][part] = metrics.Score(*numbers)
    return dict(sorted(out.items()))


def groups(
    labelled: Sequence[LabelledDocument], predicted: Sequence[Document], seen: Iterable[str]
) -> dict[str, dict[str, dict[str, metrics.Score]]]:
    """`by_group` for topic, genre, sentence length, and whether the surface is one of `seen`, those of training."""
    known = set(seen)
    return {
        "topic": by_group(labelled, predicted, lambda item, *_: item.meta.get("topic", "?")),
        "genre": by_group(labelled, predicted, lambda item, *_: item.meta.get("genre", "?")),
        "surface": by_group(
            labelled, predicted, lambda item, a, b: "seen" if item.document.text[a:b] in known else "unseen"
        ),
        "words of the sentence": by_group(labelled, predicted, _length),
    }


def surfaces(labelled: Iterable[LabelledDocument]) -> set[str]:
    """The surfaces of all entities and triggers."""
    documents = [item.document for item in labelled]
    return {e.text for d in documents for e in d.entities} | {e.trigger for d in documents for e in d.events}


def _length(item: LabelledDocument, start: int, end: int) -> str:
    document = item.document
    words = next((len(document.text[a:b].split()) for a, b in document.sentences if a <= start < b), 0)
    low, high = next(((a, b) for a, b in LENGTHS if a <= words <= b), LENGTHS[0])
    return f"{low:>2}-{high}" if high < LENGTHS[-1][1] else f"{low} and more"


def confusion(
    gold: Sequence[Document], predicted: Sequence[Document], items: metrics.Items
) -> Counter[tuple[str, str]]:
    """How often a span of the one label was given the other; `none` where only one side has the span."""
    out: Counter[tuple[str, str]] = Counter()
    for left, right in zip(gold, predicted, strict=True):
        a, b = _by_span(items(left)), _by_span(items(right))
        for span in a.keys() | b.keys():
            out[a.get(span, NONE), b.get(span, NONE)] += 1
    return out


def _by_span(items: Sequence[Any]) -> dict[tuple[int, int], str]:
    return {(start, end): label for start, end, label in items}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as the gold has it and as it was predicted, and in how many marks they differ."""

    name: str
    gold: Document
    predicted: Document
    errors: int


def worst_sentences(
    labelled: Sequence[LabelledDocument], predicted: Sequence[Document], count: int = 100
) -> list[Sentence]:
    """The sentences with the most marks that only one side has, the worst first."""
    out = []
    for item, document in zip(labelled, predicted, strict=True):
        for start, end in item.document.sentences:
            left, right = _cut(item.document, start, end), _cut(document, start, end)
            errors = len(_marks(left) ^ _marks(right))
            if errors:
                out.append(Sentence(item.id, left, right, errors))
    return sorted(out, key=lambda s: -s.errors)[:count]


def _marks(document: Document) -> set[Any]:
    events = {(e.start, e.end, e.type, e.modality) for e in document.events}
    return {*metrics.entity_items(document), *events, *metrics.argument_items(document)}


def _cut(document: Document, start: int, end: int) -> Document:
    """A sentence as a document of its own."""
    moved = {
        id(e): replace(e, start=e.start - start, end=e.end - start)
        for e in document.entities
        if start <= e.start and e.end <= end
    }
    events = tuple(
        replace(
            e, start=e.start - start, end=e.end - start,
            arguments=tuple(replace(a, entity=moved[id(a.entity)]) for a in e.arguments if id(a.entity) in moved),
        )
        for e in document.events
        if start <= e.start and e.end <= end
    )  # fmt: skip
    return Document(document.text[start:end], tuple(moved.values()), events, ((0, end - start),))
