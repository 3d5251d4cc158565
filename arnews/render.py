"""Right-to-left HTML and terminal views, everything escaped.

Takes documents; gives one self-contained HTML page, a fragment for notebooks, or plain text for a terminal. Nothing
of a document becomes a tag, an attribute's name, a class, a style or a control code, and no script is written.
Knows nothing of models, files or how the spans were found; labels that the schema does not have are shown as well.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from html import escape
from itertools import pairwise
from typing import NamedTuple

from arnews import render_style as look
from arnews.document import Document, Entity, Event
from arnews.schema import Label, schema


class _Mark(NamedTuple):
    """A span to draw, or a piece of one: the label stands on the last piece. `of` is its entity or event."""

    start: int
    end: int
    of: Entity | Event
    last: bool = True


def _html(text: str) -> str:
    return escape(look.one_line(text), quote=True)


def _known(labels: dict[str, Label], name: str) -> str:
    """What the tag set says of a label, for a tooltip; nothing where it does not know it."""
    return _html(labels[name].ar) if name in labels else ""


def _marks(document: Document) -> list[_Mark]:
    """Entities whole, triggers cut at the edges of the entities that they cross; sorted so that spans nest."""
    length = len(document.text)
    entities = [_Mark(max(e.start, 0), min(e.end, length), e) for e in document.entities]
    marks = [m for m in entities if m.start < m.end]
    edges = sorted(edge for m in marks for edge in ((m.start, m.end), (m.end, m.start)))
    for event in document.events:
        start, end = max(event.start, 0), min(event.end, length)
        inside = edges[bisect_right(edges, (start, length)) : bisect_left(edges, (end, -1))]
        crossed = {edge for edge, other in inside if not start <= other <= end}
        cuts = sorted({start, end, *crossed}) if start < end else []
        marks += [_Mark(a, b, event, b == end) for a, b in pairwise(cuts)]
    return sorted(marks, key=lambda m: (m.start, -m.end, isinstance(m.of, Event)))


def _walk(marks: list[_Mark], cuts: list[int]) -> Iterator[tuple[int, str, _Mark | None]]:
    """The steps "open", "close", "end" (closed for good) and "cut" by position. At a cut everything is closed and
    opened again, and so is what two spans that cross would tear, whatever the marks: steps always nest."""
    starts: dict[int, list[_Mark]] = defaultdict(list)
    for mark in marks:
        starts[mark.start].append(mark)
    stops = set(cuts)
    opened: list[_Mark] = []
    for at in sorted({*stops, *starts, *(m.end for m in marks)}):
        keep = next((i for i, m in enumerate(opened) if m.end <= at or at in stops), len(opened))
        closed = opened[keep:]
        del opened[keep:]
        for mark in reversed(closed):
            yield at, "end" if mark.last and mark.end <= at else "close", mark
        if at in stops:
            yield at, "cut", None
        for mark in [*(m for m in closed if m.end > at), *starts[at]]:
            yield at, "open", mark
            opened.append(mark)


class _Paragraphs:
    """The paragraphs of a document, each with its own short list of numbered events beside it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = look.newlines(document.text)
        self.marks = _marks(document)
        self.breaks = [m.start() for m in re.finditer("\n", self.text)]
        self.events: list[list[Event]] = [[] for _ in range(len(self.breaks) + 1)]
        self.taking_part: dict[tuple[int, Entity], list[int]] = defaultdict(list)
        self.place: dict[int, tuple[int, int]] = {}
        for event in sorted(document.events, key=lambda e: (e.start, e.end)):
            paragraph = bisect_right(self.breaks, event.start)
            number = len(self.events[paragraph])
            self.place[id(event)] = paragraph, number
            for entity in dict.fromkeys(argument.entity for argument in event.arguments):
                self.taking_part[paragraph, entity].append(number)
            self.events[paragraph].append(event)

    def html(self) -> str:
        """Blocks of a paragraph and its events. The text of the <p> elements, without their labels, joined by
        newlines, is `safe(document.text)`."""
        blocks, out, at, paragraph = [], ["<p>"], 0, 0
        for position, step, mark in [*_walk(self.marks, self.breaks), (len(self.text), "cut", None)]:
            # The newline itself stands first in its paragraph: the cut is before it.
            out.append(escape(look.neutral(self.text[at:position]).replace("\n", ""), quote=True))
            at = position
            if mark is None:
                blocks.append(f'<div class="b">{"".join(out)}</p>{self._list(paragraph)}</div>')
                paragraph += 1
                out = ["<p>"]
            elif step == "open":
                out.append(self._opening(mark, paragraph))
            else:
                label = mark.of.label if isinstance(mark.of, Entity) else mark.of.type
                out.append((f'<bdi class="l">{_html(label)}</bdi>' if step == "end" else "") + "</span>")
        return "\n".join(blocks)

    def _opening(self, mark: _Mark, paragraph: int) -> str:
        of = mark.of
        if isinstance(of, Event):
            home, number = self.place[id(of)]
            kinds = ["t", look.modality(of.modality), *([f"v{number}"] if home == paragraph else [])]
            kinds += ["n"] if mark.end - mark.start <= look.SHORT else []
            title = f"{of.type} ({of.modality})"
        else:
            kinds = ["e", look.group(of.label), *(f"a{n}" for n in self.taking_part.get((paragraph, of), []))]
            before, after = self.text[max(mark.start - 1, 0) : mark.start], self.text[mark.end : mark.end + 1]
            if not before.isalpha():
                # Only at a word's edge may a box have padding or a direction of its own: both part joined letters.
                apart = not after.isalpha() and look.has_latin(self.text[mark.start : mark.end])
                kinds += ["s", "i"] if apart else ["s"]
            title = f"{of.label}: {of.name or of.text}"
        score = f" {of.score:.2f}" if of.score < 1 else ""
        return f'<span class="{" ".join(kinds)}" title="{_html(title + score)}">'

    def _list(self, paragraph: int) -> str:
        items = (_item(event, number) for number, event in enumerate(self.events[paragraph]))
        return f"<ol>{''.join(items)}</ol>" if self.events[paragraph] else ""


def _item(event: Event, number: int) -> str:
    tags = schema()
    roles = "".join(
        f'<li><bdi class="r" title="{_known(tags.roles, a.role)}">{_html(a.role)}</bdi>'
        f"<bdi>{_html(a.entity.name or a.entity.text)}</bdi></li>"
        for a in event.arguments
    )
    kind = look.modality(event.modality)
    return (
        f'<li class="{kind} w{number}" tabindex="0"><bdi class="t {kind}">{_html(event.trigger)}</bdi>'
        f'<bdi class="k" title="{_known(tags.events, event.type)}">{_html(event.type)}</bdi>'
        f'<bdi class="m" title="{_known(tags.modalities, event.modality)}">{_html(event.modality)}</bdi>'
        f"{f'<ul>{roles}</ul>' if roles else ''}</li>"
    )


def _ordered(used: Iterable[str], labels: dict[str, Label]) -> list[str]:
    """The labels used, in the order of the tag set, with those that it does not have at the end."""
    place = {name: i for i, name in enumerate(labels)}
    return sorted(set(used), key=lambda name: (place.get(name, len(place)), name))


def _entries(used: Iterable[str], labels: dict[str, Label], kinds: Callable[[str], str]) -> list[str]:
    return [
        f'<bdi class="{kinds(name)}" title="{_known(labels, name)}">{_html(name)}</bdi>'
        for name in _ordered(used, labels)
    ]


def _legend(documents: list[Document]) -> str:
    tags = schema()
    events = [event for document in documents for event in document.events]
    labels = (entity.label for document in documents for entity in document.entities)
    rows = (
        _entries(labels, tags.entities, lambda name: f"e {look.group(name)}"),
        _entries((e.modality for e in events), tags.modalities, lambda name: f"t {look.modality(name)}")
        + _entries((e.type for e in events), tags.events, lambda name: "k"),
    )
    return "".join(f'<p class="legend">{" ".join(row)}</p>' for row in rows if row)


def _style(articles: list[_Paragraphs]) -> str:
    most = max((len(events) for article in articles for events in article.events), default=0)
    return f"<style>{look.style(most)}</style>"


def html_page(documents: Iterable[tuple[str, Document]], title: str = "arnews") -> str:
    """One self-contained page of named documents: text with nested entities and triggers, events at its side.

    Needs no network and no script; `str.encode()` never fails on it.

    >>> page = html_page([("خبر", Document("وصل ببكين", (Entity("بكين", "GPE", 5, 9, 1.0, "بكين"),)))])
    >>> '<span class="e place" title="GPE: بكين">بكين<bdi class="l">GPE</bdi></span>' in page
    True
    """
    items = [(name, _Paragraphs(document)) for name, document in documents]
    sections = (f"<section><h2><bdi>{_html(name)}</bdi></h2>\n{a.html()}</section>\n" for name, a in items)
    return _page(title, [article for _, article in items], "".join(sections))


def _page(title: str, articles: list[_Paragraphs], body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="ar" dir="rtl"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_html(title)}</title>{_style(articles)}</head>\n"
        f'<body class="arnews"><h1><bdi>{_html(title)}</bdi></h1>\n{_legend([a.document for a in articles])}\n'
        f"{body}</body></html>\n"
    )


def html_pairs(pairs: Iterable[tuple[str, Document, Document]], title: str, sides: tuple[str, str]) -> str:
    """One self-contained page of documents side by side: the first of each pair under the name `sides[0]`."""
    items = [(name, _Paragraphs(left), _Paragraphs(right)) for name, left, right in pairs]
    articles = [article for _, *both in items for article in both]
    rows = (
        f'<section><h2><bdi>{_html(name)}</bdi></h2>\n<div class="pair">'
        + "".join(
            f'<div><p class="legend">{_html(side)}</p>{a.html()}</div>' for side, a in zip(sides, both, strict=True)
        )
        + "</div></section>\n"
        for name, *both in items
    )
    return _page(title, articles, "".join(rows))


def html_fragment(document: Document) -> str:
    """One document as an element with its own style, for notebooks; it leaves the rest of their page alone."""
    article = _Paragraphs(document)
    return f'<div class="arnews" lang="ar" dir="rtl">{_style([article])}{_legend([document])}\n{article.html()}</div>\n'


# What a line may not be broken in: pieces of text with their paint.
_Chunk = list[tuple[str, str]]


def terminal(document: Document, *, color: bool, width: int = 100) -> str:
    """Plain text: each sentence with its spans in brackets and its events below it, then the names by label.

    Brackets are those of the corpus: `[name|LABEL]`, `{trigger|TYPE.modality}`, where `actual` is left out. A terminal
    that knows no bidirectional text shows them in the order of reading; one that does turns each pair with what is
    in it. `color` adds paint and changes no character.

    >>> print(terminal(Document("وصل ببكين", (Entity("بكين", "GPE", 5, 9, 1.0, "بكين"),)), color=False))
    وصل ب[بكين|GPE]
    <BLANKLINE>
    GPE: بكين
    <BLANKLINE>
    """
    text = look.newlines(document.text)
    cuts = sorted({start for start, _ in document.sentences if 0 < start < len(text)})
    cuts = cuts or [m.start() for m in re.finditer("\n", text)]
    sections = _sections(text, _marks(document), cuts)
    events: list[list[str]] = [[] for _ in sections]
    for event in sorted(document.events, key=lambda e: (e.start, e.end)):
        head = [("  * ", ""), (_tag(event), "event"), (" " + look.isolated(event.trigger), "")]
        named = [(look.one_line(a.role), look.isolated(a.entity.name or a.entity.text)) for a in event.arguments]
        roles = [[(f"{role}=", "dim"), (name, "")] for role, name in named]
        events[bisect_right(cuts, event.start)] += _fill([head, *roles], width, color, indent=6)
    out = [line for words, below in zip(sections, events, strict=True) for line in _fill(words, width, color) + below]
    entities = sorted(document.entities, key=lambda e: (e.start, -e.end))
    names = Counter((e.label, look.isolated(e.name or e.text)) for e in entities)
    out += [""] if names else []
    for label in _ordered((label for label, _ in names), schema().entities):
        row = [f"{name} ×{n}" if n > 1 else name for (of, name), n in names.items() if of == label]
        head = [(f"{look.one_line(label)}:", look.group(label))]
        out += _fill([head, *([(name + " ·", "")] for name in row[:-1]), [(row[-1], "")]], width, color, indent=2)
    return "\n".join([*out, ""])


def _tag(of: Entity | Event) -> str:
    if isinstance(of, Entity):
        return look.one_line(of.label)
    return look.one_line(of.type if of.modality == "actual" else f"{of.type}.{of.modality}")


def _sections(text: str, marks: list[_Mark], cuts: list[int]) -> list[list[_Chunk]]:
    """The words of each stretch of text between two cuts, with the brackets of their spans."""
    sections: list[list[_Chunk]] = [[[]]]
    opened: list[str] = []
    at = 0
    for position, step, mark in [*_walk(marks, cuts), (len(text), "cut", None)]:
        first, *words = re.split(r"\s+", look.neutral(text[at:position]))
        kind = opened[-1] if opened else ""
        sections[-1][-1].append((first, kind))
        sections[-1] += [[(word, kind)] for word in words]
        at = position
        if mark is None:
            sections.append([[]])
            continue
        left, right = "[]" if isinstance(mark.of, Entity) else "{}"
        if step == "open":
            opened.append(look.group(mark.of.label) if isinstance(mark.of, Entity) else "event")
            sections[-1][-1].append((left, "dim"))
        else:
            opened.pop()
            sections[-1][-1].append(((f"|{_tag(mark.of)}" if step == "end" else "") + right, "dim"))
    return [[chunk for chunk in section if any(text for text, _ in chunk)] for section in sections[:-1]]


def _fill(chunks: list[_Chunk], width: int, color: bool, indent: int = 0) -> list[str]:
    """Lines of at most `width` cells, broken between chunks; all but the first are indented. Lines of the text
    itself, which have no indent, get a right-to-left mark where they are Arabic and happen to begin with Latin."""
    lines: list[list[_Chunk]] = []
    room = 0
    for chunk in chunks:
        size = sum(look.columns(text) for text, _ in chunk) + 1
        if not lines or size > room:
            lines.append([[(" " * (indent - 1), "")]] if lines and indent else [])
            room = width + 1 - (indent if len(lines) > 1 else 0)
        lines[-1].append(chunk)
        room -= size
    out = []
    for line in lines:
        turn = "" if indent else look.turn("".join(text for chunk in line for text, _ in chunk))
        out.append(turn + " ".join("".join(look.paint(*p) if color else p[0] for p in chunk) for chunk in line))
    return out
