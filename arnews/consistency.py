"""Surfaces that are not marked alike everywhere.

Takes labelled documents; gives for each such surface how often it has which label, and how often none. What stands in
the report is not always wrong: `الأهرام` is a paper and a place. Knows nothing of models.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from arnews.datasets import LabelledDocument
from arnews.document import Document
from arnews.schema import schema
from arnews.text import clean, flat_surface

NONE = "none"
NESTED = ("GPE", "LOC", "NORP", "PERS", "ORDINAL")
NESTING = ("OCC", "ORG", "FAC", "EVENT", "LAW", "PRODUCT")  # the names inside these are marked too


@dataclass(slots=True)
class Use:
    """How a surface is marked: how often, and in which documents (three at most are kept) under each label."""

    counts: Counter[str] = field(default_factory=Counter)
    where: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, label: str, document: str) -> None:
        self.counts[label] += 1
        if len(self.where[label]) < 3 and document not in self.where[label]:
            self.where[label].append(document)


@dataclass(frozen=True, slots=True)
class Place:
    """A surface in a document, with the label it has there: `none` without one, `in ORG` inside a longer name."""

    surface: str
    label: str
    document: LabelledDocument
    start: int
    end: int


def report(documents: Sequence[LabelledDocument]) -> tuple[list[tuple[str, Use]], list[tuple[str, Use]]]:
    """The surfaces of entities, and of triggers, that have several labels, or a label here and none there; those with
    the most occurrences first. An occurrence inside a longer name is `in ORG`, not `none`."""
    return _report(documents, events=False), _report(documents, events=True)


def _report(documents: Sequence[LabelledDocument], events: bool) -> list[tuple[str, Use]]:
    found = [(surface, use) for surface, use in _uses(_places(documents, events)).items() if _differs(use)]
    return sorted(found, key=lambda pair: (-pair[1].counts.total(), pair[0]))


def _uses(places: Iterable[Place]) -> dict[str, Use]:
    uses: dict[str, Use] = defaultdict(Use)
    for place in places:
        uses[place.surface].add(place.label, place.document.id)
    return uses


def _places(documents: Sequence[LabelledDocument], events: bool) -> list[Place]:
    """Every occurrence of every surface that is marked somewhere."""
    out = [Place(s, label, item, a, b) for item in documents for s, label, a, b in _marks(item.document, events)]
    surfaces = {place.surface for place in out}
    lengths = {len(surface.split()) for surface in surfaces}
    for item in documents:
        marked = {(start, end) for _, _, start, end in _marks(item.document, events)}
        for surface, start, end in _occurrences(item.document, lengths):
            if surface in surfaces and (start, end) not in marked:
                inside = [e.label for e in item.document.entities if e.start <= start and end <= e.end]
                if not inside:
                    out.append(Place(surface, NONE, item, start, end))
                elif inside[-1] in NESTING and not events:
                    out.append(Place(surface, f"in {inside[-1]}", item, start, end))
    return out


def odd_places(documents: Sequence[LabelledDocument], share: float = 0.8, least: int = 4) -> Iterator[str]:
    """Each occurrence of a surface that is not marked as at least `share` of its occurrences outside of longer names
    are, where these are `least` or more: one line each, in the order of the documents."""
    odd = []
    for events in (False, True):
        places = [p for p in _places(documents, events) if not p.label.startswith("in ")]
        uses = _uses(places)
        for place in places:
            counts = uses[place.surface].counts
            usual, count = counts.most_common(1)[0]
            if place.label != usual != NONE and counts.total() >= least and count >= share * counts.total():
                odd.append((place, f"{usual} {count} of {counts.total()}"))
    order = {item.id: number for number, item in enumerate(documents)}
    for place, usual in sorted(odd, key=lambda pair: (order[pair[0].document.id], pair[0].start)):
        text = place.document.document.text
        around = " ".join(
            f"{text[max(0, place.start - 30) : place.start]}>{place.surface}<{text[place.end :][:30]}".split()
        )
        yield f"{place.document.id}: {place.surface}: {place.label} here, {usual} | {around}"


def _differs(use: Use) -> bool:
    """Whether a surface has several labels, or stands without its own where that should be: also inside a name."""
    label = use.counts.most_common(1)[0][0]
    return sum(not key.startswith("in ") for key in use.counts) > 1 or (len(use.counts) > 1 and label in NESTED)


def _marks(document: Document, events: bool) -> Iterator[tuple[str, str, int, int]]:
    if events:
        for event in document.events:
            yield flat_surface(event.trigger), event.type, event.start, event.end
    else:
        for entity in document.entities:
            yield flat_surface(entity.text), entity.label, entity.start, entity.end


def _occurrences(document: Document, lengths: set[int]) -> Iterator[tuple[str, int, int]]:
    """Every run of so many words, also without the first one's proclitic, with its raw offsets."""
    text = clean(document.text)
    words = text.words()
    for i, (start, _) in enumerate(words):
        for length in lengths:
            if i + length > len(words):
                continue
            end = words[i + length - 1][1]
            surface = text.clean[start:end]
            if "\n" in surface or len(surface.split()) != length:
                continue
            for proclitic in ("", *schema().proclitics):
                if surface.startswith(proclitic):
                    yield surface[len(proclitic) :], *text.to_raw(start + len(proclitic), end)


def lines(uses: Sequence[tuple[str, Use]]) -> Iterator[str]:
    """One line a surface: its labels with their counts and some documents."""
    for surface, use in uses:
        parts = (f"{label} {n} ({', '.join(use.where[label])})" for label, n in use.counts.most_common())
        yield f"{surface}: {'; '.join(parts)}"
