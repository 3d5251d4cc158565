"""Labelled documents, and the shipped corpus as such.

Takes files in the corpus markup; gives `LabelledDocument`s: the text with its gold spans, and which labels the set
annotates at all. Foreign files are read by `arnews.conll`. Knows nothing of models or of training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from arnews.document import Argument, Document, Entity, Event
from arnews.markup import MarkedDocument, Paragraph, read_folder
from arnews.schema import schema
from arnews.segment import sentence_bounds
from arnews.text import clean, clean_surface, flat_surface, restore_alef

CORPUS = Path(__file__).parent / "corpus"
SPLITS = ("train", "dev", "test")
UNKNOWN = "?"  # the label of an entity that ours do not name


@dataclass(frozen=True, slots=True)
class LabelledDocument:
    """A document with gold spans. `annotates`: the entity labels that the set marks wherever they occur; `events`:
    whether it marks events; `flat`: whether it marks no name inside another. A label `A/B` means one of them, `?`
    none of ours."""

    id: str
    document: Document
    annotates: frozenset[str]
    events: bool
    flat: bool = False
    meta: dict[str, str] = field(default_factory=dict)


def gold_document(marked: MarkedDocument) -> Document:
    """The document that a perfect tagger would give for a marked text."""
    text = marked.text
    entities: list[Entity] = []
    events: list[Event] = []
    base = 0
    for paragraph in marked.paragraphs:
        _add_paragraph(paragraph, base, entities, events)
        base += len(paragraph.text) + 1
    entities.sort(key=lambda e: (e.start, -e.end))
    return Document(text, tuple(entities), tuple(events), sentence_offsets(text))


def _add_paragraph(paragraph: Paragraph, base: int, entities: list[Entity], events: list[Event]) -> None:
    text = paragraph.text
    by_id: dict[int, Entity] = {}
    for mark in paragraph.entities:
        entity = make_entity(text, mark.start, mark.end, mark.label, base)
        entities.append(entity)
        if mark.id is not None:
            by_id[mark.id] = entity
    for event in paragraph.events:
        links = tuple(Argument(role, by_id[i], 1.0) for role, ids in event.arguments for i in ids)
        surface = text[event.start : event.end]
        start, end = event.start + base, event.end + base
        events.append(Event(surface, event.type, event.modality, start, end, 1.0, links))


def make_entity(text: str, start: int, end: int, label: str, base: int = 0) -> Entity:
    """A gold entity at `text[start:end]`; its offsets in the document are `base` further on."""
    before = clean_surface(text[max(0, start - 3) : start])
    letters = before[len(before.rstrip("وفبلك")) :]
    name = restore_alef(flat_surface(text[start:end]), letters)
    return Entity(text[start:end], label, start + base, end + base, 1.0, name)


def sentence_offsets(text: str) -> tuple[tuple[int, int], ...]:
    """The raw offsets of a text's sentences, as the tagger divides it."""
    cleaned = clean(text)
    words = cleaned.words()
    return tuple(cleaned.to_raw(words[a][0], words[b - 1][1]) for a, b in sentence_bounds(cleaned.clean, words))


def read_marked(path: Path) -> list[LabelledDocument]:
    """A file or folder in the corpus markup, which annotates everything."""
    labels = frozenset(schema().entities)
    return [LabelledDocument(d.id, gold_document(d), labels, True, meta=d.meta) for d in read_folder(path)]


def corpus(split: str) -> list[LabelledDocument]:
    """A split of the shipped corpus: train, dev or test."""
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}: it must be one of {', '.join(SPLITS)}")
    return list(_read_split(split))


@lru_cache(maxsize=len(SPLITS))
def _read_split(split: str) -> tuple[LabelledDocument, ...]:
    return tuple(read_marked(CORPUS / split))
