"""The corpus's written form: parse and write.

Takes text in the markup (`[surface|LABEL #n]`, `{surface|TYPE.modality ROLE=n,m}`, `~ ` for furniture); gives marked
documents with offsets, and the same bytes back. Knows nothing of models, and of cleaning only what a proclitic is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from arnews.errors import FormatError
from arnews.schema import schema
from arnews.text import clean_surface, proclitic_length

SPECIAL = "[]{}|\\"
_ENTITY = re.compile(r"([A-Z]+)(?: #([1-9][0-9]*))?")
_EVENT = re.compile(r"([A-Z_]+)(?:\.([a-z]+))?((?: [A-Z]+=[0-9,]+)*)")
_IDS = re.compile(r"[1-9][0-9]*(?:,[1-9][0-9]*)*")


@dataclass(frozen=True, slots=True)
class MarkedEntity:
    """An entity span of a paragraph; `id` is the number that events of the paragraph point to, if any do."""

    start: int
    end: int
    label: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class MarkedEvent:
    """An event of a paragraph; `arguments` are (role, entity ids) as written; `explicit`: `.actual` was written."""

    start: int
    end: int
    type: str
    modality: str = "actual"
    arguments: tuple[tuple[str, tuple[int, ...]], ...] = ()
    explicit: bool = False


Mark = MarkedEntity | MarkedEvent


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One line: its bare text and its marks in the order in which they open. `line` is its number in the file."""

    text: str
    marks: tuple[Mark, ...] = ()
    furniture: bool = False
    line: int = 0

    @property
    def entities(self) -> tuple[MarkedEntity, ...]:
        return tuple(m for m in self.marks if isinstance(m, MarkedEntity))

    @property
    def events(self) -> tuple[MarkedEvent, ...]:
        return tuple(m for m in self.marks if isinstance(m, MarkedEvent))


@dataclass(frozen=True, slots=True)
class MarkedDocument:
    """A document: its id, its header lines after the id, its paragraphs. `text` joins these with newlines."""

    id: str
    headers: tuple[str, ...]
    paragraphs: tuple[Paragraph, ...]

    @property
    def text(self) -> str:
        return "\n".join(p.text for p in self.paragraphs)

    @property
    def meta(self) -> dict[str, str]:
        """The `key: value` pairs of the header lines, which ` | ` separates within a line."""
        pairs = (item.partition(": ") for line in self.headers for item in line.split(" | "))
        return {key: value for key, _, value in pairs}


class _Line:
    """Parses one paragraph; a position is a character of the line as written."""

    def __init__(self, source: str, file: str, number: int) -> None:
        self.source, self.file, self.number = source, file, number
        self.out: list[str] = []
        self.length = 0

    def error(self, reason: str, at: int) -> FormatError:
        return FormatError(reason, file=self.file, line=self.number, column=at + 1)

    def parse(self) -> Paragraph:
        source = self.source
        furniture = source.startswith("~ ")
        at = 2 if furniture else 0
        opened: list[tuple[str, int, int, int]] = []  # bracket, column, start, place in marks
        marks: list[Mark | None] = []
        columns: list[int] = []
        while at < len(source):
            char = source[at]
            if char == "\\":
                if source[at + 1 : at + 2] not in tuple(SPECIAL):
                    raise self.error(f"a backslash escapes one of {' '.join(SPECIAL)} and nothing else", at)
                self._add(source[at + 1])
                at += 2
            elif char in "[{":
                if char == "{" and any(bracket == "{" for bracket, *_ in opened):
                    raise self.error("an event inside an event", at)
                opened.append((char, at, self.length, len(marks)))
                marks.append(None)
                columns.append(at)
                at += 1
            elif char == "|":
                if not opened:
                    raise self.error("a bar outside brackets: write \\|", at)
                bracket, column, start, place = opened.pop()
                close = "]" if bracket == "[" else "}"
                end = source.find(close, at)
                if end < 0:
                    raise self.error(f"the bracket {bracket} is not closed", column)
                if start == self.length:
                    raise self.error("an empty span", column)
                self._check_edges(start, column)
                read = self._entity if bracket == "[" else self._event
                marks[place] = read(source[at + 1 : end], start, at + 1)
                at = end + 1
            elif char in "]}":
                raise self.error(f"unbalanced bracket {char}: a span closes with its label, or write \\{char}", at)
            else:
                self._add(char)
                at += 1
        if opened:
            raise self.error(f"the bracket {opened[-1][0]} is not closed", opened[-1][1])
        done = tuple(m for m in marks if m is not None)
        self._check_ids(done, columns)
        return Paragraph("".join(self.out), done, furniture, self.number)

    def _add(self, char: str) -> None:
        self.out.append(char)
        self.length += 1

    def _check_edges(self, start: int, column: int) -> None:
        text = "".join(self.out)
        surface = text[start:]
        if surface != surface.strip():
            raise self.error(f"the span {surface!r} starts or ends on a space", column)
        word = clean_surface(surface).split(" ", 1)[0]
        cut = proclitic_length(word)
        if cut and not (text[:start].endswith("ل") and word.startswith("ل")):  # in للصين the second ل is the article's
            raise self.error(f"the span {surface!r} starts on the proclitic {word[:cut]!r}: leave it outside", column)

    def _entity(self, tail: str, start: int, column: int) -> MarkedEntity:
        match = _ENTITY.fullmatch(tail)
        if not match:
            raise self.error(f"{tail!r} is not LABEL or LABEL #n", column)
        label, number = match.groups()
        if label not in schema().entities:
            raise self.error(f"unknown entity label {label!r}", column)
        return MarkedEntity(start, self.length, label, int(number) if number else None)

    def _event(self, tail: str, start: int, column: int) -> MarkedEvent:
        match = _EVENT.fullmatch(tail)
        if not match:
            raise self.error(f"{tail!r} is not TYPE.modality ROLE=n,m", column)
        kind, modality, rest = match.groups()
        if kind not in schema().events:
            raise self.error(f"unknown event type {kind!r}", column)
        if modality is not None and modality not in schema().modalities:
            raise self.error(f"unknown modality {modality!r}", column)
        arguments: list[tuple[str, tuple[int, ...]]] = []
        for item in rest.split():
            role, _, ids = item.partition("=")
            if role not in schema().roles:
                raise self.error(f"unknown role {role!r}", column)
            if role in (r for r, _ in arguments):
                raise self.error(f"the role {role} is there twice: join the ids with commas", column)
            if not _IDS.fullmatch(ids):
                raise self.error(f"{ids!r} is not a list of ids", column)
            arguments.append((role, tuple(map(int, ids.split(",")))))
        return MarkedEvent(
            start, self.length, kind, modality or "actual", tuple(arguments), explicit=modality == "actual"
        )

    def _check_ids(self, marks: tuple[Mark, ...], columns: list[int]) -> None:
        seen: set[int] = set()
        for mark, column in zip(marks, columns, strict=True):
            if isinstance(mark, MarkedEntity) and mark.id is not None:
                if mark.id in seen:
                    raise self.error(f"the id #{mark.id} is there twice", column)
                seen.add(mark.id)
        for mark, column in zip(marks, columns, strict=True):
            if isinstance(mark, MarkedEvent):
                pairs = [(role, number) for role, ids in mark.arguments for number in ids]
                for role, number in pairs:
                    if number not in seen:
                        raise self.error(f"{role}={number}: no entity of this line has the id #{number}", column)
                if len(set(pairs)) < len(pairs):
                    raise self.error("an id stands twice in one role", column)


def parse_paragraph(source: str, *, file: str = "<text>", line: int = 1) -> Paragraph:
    """Parse one line of markup.

    >>> p = parse_paragraph("و[موسكو|GPE #1] {ترحب|SUPPORT AGENT=1}")
    >>> p.text, p.marks[0]
    ('وموسكو ترحب', MarkedEntity(start=1, end=6, label='GPE', id=1))
    """
    return _Line(source, file, line).parse()


def parse(source: str, *, file: str = "<text>") -> list[MarkedDocument]:
    """Parse the documents of a file's text. Raises `FormatError` with file, line, column and reason."""
    documents: list[MarkedDocument] = []
    if not source:
        return documents
    if not source.endswith("\n"):
        raise FormatError("the last line does not end", file=file, line=source.count("\n") + 1)
    lines = source[:-1].split("\n")
    at, ids = 0, set()
    while at < len(lines):
        if not lines[at].startswith("# doc: "):
            raise FormatError("a document starts with '# doc: id'", file=file, line=at + 1)
        name = lines[at][len("# doc: ") :]
        if not name or name in ids:
            raise FormatError(f"the document id {name!r} is empty or there twice", file=file, line=at + 1)
        ids.add(name)
        at += 1
        headers, paragraphs = [], []
        while at < len(lines) and lines[at].startswith("# "):
            headers.append(lines[at][2:])
            at += 1
        while at < len(lines) and lines[at]:
            paragraphs.append(parse_paragraph(lines[at], file=file, line=at + 1))
            at += 1
        if not paragraphs:
            raise FormatError(f"the document {name!r} has no text", file=file, line=at)
        documents.append(MarkedDocument(name, tuple(headers), tuple(paragraphs)))
        at += 1
        if at == len(lines):
            raise FormatError("a blank line at the end", file=file, line=at)
    return documents


def _escape(text: str) -> str:
    return "".join("\\" + c if c in SPECIAL else c for c in text)


def _tail(mark: Mark) -> str:
    if isinstance(mark, MarkedEntity):
        return f"|{mark.label}" + (f" #{mark.id}" if mark.id else "") + "]"
    modality = f".{mark.modality}" if mark.explicit or mark.modality != "actual" else ""
    roles = "".join(f" {role}={','.join(map(str, ids))}" for role, ids in mark.arguments)
    return f"|{mark.type}{modality}{roles}}}"


def write_paragraph(paragraph: Paragraph) -> str:
    """The markup of one paragraph: the inverse of `parse_paragraph`."""
    out = ["~ "] if paragraph.furniture else []
    opened: list[Mark] = []
    at = 0

    def move(to: int) -> None:
        nonlocal at
        out.append(_escape(paragraph.text[at:to]))
        at = to

    for mark in (*paragraph.marks, None):
        while opened and (mark is None or opened[-1].end <= mark.start):
            last = opened.pop()
            move(last.end)
            out.append(_tail(last))
        if mark is None:
            break
        if opened and mark.end > opened[-1].end:
            raise FormatError(f"the spans at {opened[-1].start} and {mark.start} cross", line=paragraph.line)
        move(mark.start)
        out.append("[" if isinstance(mark, MarkedEntity) else "{")
        opened.append(mark)
    move(len(paragraph.text))
    return "".join(out)


def write(documents: Iterable[MarkedDocument]) -> str:
    """The text of a file with these documents: the inverse of `parse`."""
    blocks = (
        "\n".join([f"# doc: {d.id}", *(f"# {h}" for h in d.headers), *map(write_paragraph, d.paragraphs)])
        for d in documents
    )
    return "\n\n".join(blocks) + "\n" if documents else ""


def read_file(path: Path) -> list[MarkedDocument]:
    """Parse a file of the corpus."""
    try:
        source = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"not UTF-8 at byte {error.start}", file=str(path)) from error
    return parse(source.rstrip("\n") + "\n" if source else "", file=str(path))


def read_folder(folder: Path) -> Iterator[MarkedDocument]:
    """The documents of a file, or of all `*.txt` files below a folder, in the order of their paths."""
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*.txt")):
        yield from read_file(path)
