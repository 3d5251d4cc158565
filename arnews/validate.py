"""Checks of marked documents against the guidelines, beyond what the parser refuses.

Takes files in the written form; gives one line per finding. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from arnews.markup import MarkedDocument, MarkedEntity, MarkedEvent, Paragraph, read_file, write
from arnews.schema import schema
from arnews.text import clean

GENRES = ("wire", "report", "analysis", "interview", "brief", "headline-list", "sports", "market", "court", "page")
HEADERS = ("topic", "genre", "region", "date")
_NAMES = ("ORG", "FAC", "LAW", "PRODUCT", "EVENT")
_NUMBERS = ("CARDINAL", "ORDINAL", "MONEY", "PERCENT", "QUANTITY", "DATE", "TIME")
_MEASURES = ("DATE", "TIME", "MONEY", "PERCENT", "QUANTITY")
_OUTSIDE = set("،؛:؟!.,;?»”\"'…-–() ")
_TITLES = ("الرئيس", "الوزير", "وزير", "رئيس", "الدكتور", "الملك", "الأمير", "الشيخ", "السيد", "اللواء")


def check_document(document: MarkedDocument, file: str) -> Iterator[str]:
    """The findings of one document of the shipped corpus: its header and every paragraph."""
    meta = document.meta
    for key in HEADERS:
        if not meta.get(key):
            yield f"{file}: {document.id}: the header has no {key!r}"
    if meta.get("genre") and meta["genre"] not in GENRES:
        yield f"{file}: {document.id}: unknown genre {meta['genre']!r}: one of {', '.join(GENRES)}"
    for paragraph in document.paragraphs:
        for finding in check_paragraph(paragraph):
            yield f"{file}:{paragraph.line}: {finding}"


def check_paragraph(paragraph: Paragraph) -> Iterator[str]:
    """The findings of one paragraph: edges, nesting, trigger length, ids without use."""
    text = paragraph.text
    if text != text.strip():
        yield "the paragraph starts or ends on a space"
    used = {number for event in paragraph.events for _, ids in event.arguments for number in ids}
    for mark in paragraph.marks:
        surface = text[mark.start : mark.end]
        yield from _check_edges(text, mark.start, mark.end)
        if isinstance(mark, MarkedEvent):
            if len(surface.split()) > 3:
                yield f"the trigger {surface!r} has more than three words"
            continue
        if mark.id is not None and mark.id not in used:
            yield f"the id #{mark.id} of {surface!r} is used by no event"
        if mark.label == "PERS" and surface.split()[0] in _TITLES:
            yield f"the person {surface!r} starts with a title: mark it OCC and leave it outside"
    yield from _check_nesting(paragraph)


def _check_edges(text: str, start: int, end: int) -> Iterator[str]:
    surface = text[start:end]
    if surface[-1] in _OUTSIDE or surface[0] in _OUTSIDE - set("«\"“'"):
        yield f"the span {surface!r} starts or ends on punctuation"
    if text[end : end + 1].isalpha() and surface[-1].isalpha():
        yield f"the span {surface!r} ends inside the word {surface.split()[-1] + text[end:].split()[0]!r}"
    before = text[:start].split(" ")[-1].rsplit("\n")[-1]
    letters = ""
    for char in reversed(before):
        if not (char.isalpha() or char == "ـ"):
            break
        letters = char + letters
    letters = clean(letters).clean
    if surface[0].isalpha() and letters and letters not in schema().proclitics:
        yield f"the span {surface!r} starts inside a word: {letters!r} before it is no proclitic"


def _check_nesting(paragraph: Paragraph) -> Iterator[str]:
    text, entities = paragraph.text, paragraph.entities
    for inner in paragraph.marks:
        for outer in entities:
            if outer is inner or not (outer.start <= inner.start and inner.end <= outer.end):
                continue
            if (outer.start, outer.end) == (inner.start, inner.end) and isinstance(inner, MarkedEntity):
                yield f"{text[inner.start : inner.end]!r} is both {outer.label} and {inner.label}"
                continue
            where = f"inside {outer.label} {text[outer.start : outer.end]!r}"
            if isinstance(inner, MarkedEvent):
                if outer.label in _NAMES:
                    yield f"the trigger {text[inner.start : inner.end]!r} stands {where}: no trigger inside a name"
            elif inner.label == "OCC":
                yield f"OCC {text[inner.start : inner.end]!r} {where}: OCC does not nest"
            elif inner.label in _NUMBERS and outer.label in _MEASURES:
                yield f"{inner.label} {text[inner.start : inner.end]!r} {where}: numbers do not nest there"
            elif outer.label in ("PERS", "NORP", "GPE") and inner.label not in ("GPE", "LOC"):
                yield f"{inner.label} {text[inner.start : inner.end]!r} {where}"


def check_file(path: Path) -> Iterator[str]:
    """Parse a file, check that it is written canonically, and check every document in it."""
    documents = read_file(path)
    if write(documents).encode("utf-8") != path.read_bytes():
        yield f"{path}: not in canonical form: writing what was parsed gives other bytes"
    for document in documents:
        yield from check_document(document, str(path))
