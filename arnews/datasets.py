"""The shipped corpus and foreign label files as gold documents.

Takes files in the corpus markup or `token<TAB>tag` lines; gives `LabelledDocument`s: the text with its gold spans, and
which labels the set annotates at all. Knows nothing of models or of training.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from arnews.document import Argument, Document, Entity, Event
from arnews.errors import FormatError
from arnews.markup import MarkedDocument, Paragraph, read_folder
from arnews.schema import Source, schema
from arnews.segment import sentence_bounds
from arnews.text import clean, restore_alef

CORPUS = Path(__file__).parent / "corpus"
SPLITS = ("train", "dev", "test")
# CoNLL files have no documents; this many sentences in a row are read as one, for their context.
CONLL_SENTENCES = 8
UNKNOWN = "?"  # the label of an entity that ours do not name


@dataclass(frozen=True, slots=True)
class LabelledDocument:
    """A document with gold spans. `annotates`: the entity labels that the set marks wherever they occur; `events`:
    whether it marks events. A label `A/B` means one of them, `?` none of ours."""

    id: str
    document: Document
    annotates: frozenset[str]
    events: bool
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
    before = clean(text[max(0, start - 3) : start]).clean
    letters = before[len(before.rstrip("وفبلك")) :]
    name = restore_alef(" ".join(clean(text[start:end]).clean.split()), letters)
    return Entity(text[start:end], label, start + base, end + base, 1.0, name)


def sentence_offsets(text: str) -> tuple[tuple[int, int], ...]:
    """The raw offsets of a text's sentences, as the tagger divides it."""
    cleaned = clean(text)
    words = cleaned.words()
    return tuple(cleaned.to_raw(words[a][0], words[b - 1][1]) for a, b in sentence_bounds(cleaned.clean, words))


def read_marked(path: Path) -> list[LabelledDocument]:
    """A file or folder in the corpus markup, which annotates everything."""
    labels = frozenset(schema().entities)
    return [LabelledDocument(d.id, gold_document(d), labels, True, d.meta) for d in read_folder(path)]


def corpus(split: str) -> list[LabelledDocument]:
    """A split of the shipped corpus: train, dev or test."""
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}: it must be one of {', '.join(SPLITS)}")
    return read_marked(CORPUS / split)


def read_conll(path: Path, source: str) -> list[LabelledDocument]:
    """A file of `token<TAB>tag` lines (.xz is read as such), its labels mapped by the schema's `sources`.

    Words split from their proclitics or suffixes, as WikiFANE has them, are joined again.
    """
    mapping = schema().sources.get(source)
    if mapping is None:
        raise ValueError(f"source is {source!r}: it must be one of {', '.join(schema().sources)}")
    out: list[LabelledDocument] = []
    group: list[list[tuple[str, str]]] = []
    for sentence in _conll_sentences(path):
        group.append(sentence)
        if len(group) == CONLL_SENTENCES:
            out.append(_conll_document(f"{path.stem}-{len(out)}", group, mapping, source))
            group = []
    if group:
        out.append(_conll_document(f"{path.stem}-{len(out)}", group, mapping, source))
    return out


def _conll_sentences(path: Path) -> Iterator[list[tuple[str, str]]]:
    opener = lzma.open if path.suffix == ".xz" else open
    sentence: list[tuple[str, str]] = []
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            token, tab, tag = line.rstrip("\r\n").partition("\t")
            if not tab and not token.strip():
                if sentence:
                    yield sentence
                sentence = []
            elif not tab:
                raise FormatError("a line is token<TAB>tag", file=str(path), line=number)
            elif token.strip():
                sentence.append((token.strip(), tag.split("|")[0].strip()))
    if sentence:
        yield sentence


_PREFIXES = {"و", "ف", "ب", "ل", "ك", "س"}
_SUFFIXES = {"ه", "ها", "هم", "هما", "هن", "نا", "ي", "ك", "كم"}


def _conll_document(
    name: str, sentences: Iterable[list[tuple[str, str]]], mapping: Source, source: str
) -> LabelledDocument:
    """Join the tokens with blanks, and the parts of split words without, keeping the spans' offsets."""
    split_clitics = source == "wikifane"
    text = ""
    spans: list[tuple[int, int, str]] = []
    for sentence in sentences:
        text += "\n" if text else ""
        glue = True
        label, start = "", 0
        for token, tag in [*sentence, ("", "O")]:
            prefix, _, kind = tag.partition("-")
            if label and not (prefix == "I" and kind == label):
                spans.append((start, len(text), label))
                label = ""
            if not token:
                break
            if not glue and not (split_clitics and token in _SUFFIXES):
                text += " "
            if prefix == "B" or (prefix == "I" and not label):
                label, start = kind, len(text)
            text += token
            glue = split_clitics and token in _PREFIXES and tag == "O"
    entities = tuple(
        make_entity(text, start, end, "/".join(mapping.labels.get(kind, ())) or UNKNOWN) for start, end, kind in spans
    )
    document = Document(text, entities, (), sentence_offsets(text))
    return LabelledDocument(name, document, frozenset(mapping.annotates), False)
