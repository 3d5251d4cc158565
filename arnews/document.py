"""What the tagger gives: a text with its entities and events, as plain values.

Takes spans; gives frozen, picklable, JSON-able values. Every span holds `text[start:end]` of the text exactly as it
was given; offsets count Unicode code points. Knows nothing of models or of how the spans were found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arnews.text import clean


@dataclass(frozen=True, slots=True)
class Entity:
    """A named entity: `doc.text[start:end] == text`. `name` is its clean form: without proclitics, diacritics and
    tatweel, the article's alef restored. `score` in [0, 1] is the mean probability of its tags (1 for gold)."""

    text: str
    label: str
    start: int
    end: int
    score: float
    name: str


@dataclass(frozen=True, slots=True)
class Argument:
    """An entity that takes part in an event, and the role in which it does."""

    role: str
    entity: Entity
    score: float


@dataclass(frozen=True, slots=True)
class Event:
    """An event: its trigger's surface and offsets (`doc.text[start:end] == trigger`), type, modality, arguments."""

    trigger: str
    type: str
    modality: str
    start: int
    end: int
    score: float
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    r"""A tagged text. `sentences` are its sentences' offsets; `coverage` is the share of its words that the model
    read, which is 1.0: nothing is cut.

    >>> entity = Entity("بكين", "GPE", 5, 9, 1.0, "بكين")
    >>> doc = Document("وصل ببكين", (entity,), (), ((0, 9),))
    >>> doc.text[entity.start : entity.end] == entity.text
    True
    >>> Document.from_dict(doc.to_dict()) == doc
    True
    >>> doc.to_conll().splitlines()
    ['وصل\tO\tO', 'ببكين\tB-GPE\tO', '']
    """

    text: str
    entities: tuple[Entity, ...] = ()
    events: tuple[Event, ...] = ()
    sentences: tuple[tuple[int, int], ...] = ()
    coverage: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON-able values; an argument names its entity by its place in `entities`."""
        place = {id(entity): i for i, entity in enumerate(self.entities)}
        return {
            "text": self.text,
            "entities": [
                {"text": e.text, "label": e.label, "start": e.start, "end": e.end, "score": e.score, "name": e.name}
                for e in self.entities
            ],
            "events": [
                {
                    "trigger": e.trigger,
                    "type": e.type,
                    "modality": e.modality,
                    "start": e.start,
                    "end": e.end,
                    "score": e.score,
                    "arguments": [
                        {
                            "role": a.role,
                            "entity": place.get(id(a.entity), self._find(a.entity)),
                            "text": a.entity.text,
                            "score": a.score,
                        }
                        for a in e.arguments
                    ],
                }
                for e in self.events
            ],
            "sentences": [list(s) for s in self.sentences],
            "coverage": self.coverage,
        }

    def _find(self, entity: Entity) -> int:
        return self.entities.index(entity) if entity in self.entities else -1

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Document:
        """The inverse of `to_dict`."""
        entities = tuple(Entity(**e) for e in values["entities"])
        events = tuple(
            Event(
                **{key: e[key] for key in ("trigger", "type", "modality", "start", "end", "score")},
                arguments=tuple(Argument(a["role"], entities[a["entity"]], a["score"]) for a in e["arguments"]),
            )
            for e in values["events"]
        )
        sentences = tuple((s[0], s[1]) for s in values["sentences"])
        return cls(values["text"], entities, events, sentences, values["coverage"])

    def words(self) -> list[tuple[int, int]]:
        """The raw offsets of the text's words, as the tagger counts them: runs of letters, of digits, single marks;
        a proclitic is part of its word."""
        cleaned = clean(self.text)
        return [cleaned.to_raw(start, end) for start, end in cleaned.words()]

    def to_conll(self) -> str:
        """One word a line: the word, its entity tags (outermost first, joined by a bar), its trigger tag with the
        modality; a blank line after each sentence. IOB2; a word with a proclitic takes the tag of its entity."""
        words = self.words()
        entities = sorted(self.entities, key=lambda e: (e.start, -e.end))
        entity_tags: list[list[str]] = [[] for _ in words]
        event_tags = ["O"] * len(words)
        begins = {}
        for i, (start, end) in enumerate(words):
            begins.update(dict.fromkeys(range(start, end), i))
        for e in entities:
            for i in range(begins[e.start], begins[e.end - 1] + 1):
                entity_tags[i].append(("B-" if i == begins[e.start] else "I-") + e.label)
        for event in self.events:
            for i in range(begins[event.start], begins[event.end - 1] + 1):
                prefix = "B-" if i == begins[event.start] else "I-"
                event_tags[i] = f"{prefix}{event.type}.{event.modality}"
        lines, sentence = [], 0
        for i, (start, end) in enumerate(words):
            while sentence < len(self.sentences) and start >= self.sentences[sentence][1]:
                lines.append("")
                sentence += 1
            surface = clean(self.text[start:end]).clean
            lines.append(f"{surface}\t{'|'.join(entity_tags[i]) or 'O'}\t{event_tags[i]}")
        return "\n".join([*lines, "", ""]) if lines else ""

    def _repr_html_(self) -> str:
        """The document as HTML, for notebooks."""
        from arnews.render import html_fragment

        return html_fragment(self)
