"""Right-to-left HTML and terminal views, everything escaped.

Takes documents; gives one self-contained HTML page, a fragment for notebooks, or plain text for a terminal. Colours
come from a fixed palette by label group, never from the input. Knows nothing of models.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Iterable, Iterator
from html import escape

from arnews.document import Document, Entity, Event
from arnews.render_style import PAGE_STYLE
from arnews.schema import schema

# Marks that turn the direction of what follows, and controls that drive a terminal.
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ANSI = {"name": "36", "place": "32", "thing": "35", "time": "33", "number": "34", "event": "1;31"}


def safe(text: str) -> str:
    """The text with bidirectional marks left out and control characters and lone surrogates replaced by U+FFFD.

    >>> safe("نص\\u202e\\x1b[31m")
    'نص\ufffd[31m'
    """
    return _CONTROL.sub("\ufffd", _BIDI.sub("", text.replace("\r\n", "\n")))


def _html(text: str) -> str:
    return escape(safe(text), quote=True)


def group(label: str) -> str:
    """The palette's name for an entity label; a label that the schema does not have is "other"."""
    known = schema().entities.get(label)
    return known.group if known else "other"


def _tree(document: Document) -> Iterator[tuple[int, int, str]]:
    """Text runs and tags in order: (position, kind, HTML); kinds sort as close, open, so that spans nest.

    A trigger that crosses an entity is cut at the entity's edges.
    """
    entities = sorted(document.entities, key=lambda e: (e.start, -e.end))
    edges = sorted({edge for e in entities for edge in (e.start, e.end)})
    spans: list[tuple[int, int, str, str]] = []  # start, end, opening, closing
    for e in entities:
        title = _html(f"{e.label}: {e.name}")
        opening = f'<span class="e {group(e.label)}" title="{title}">'
        spans.append((e.start, e.end, opening, f'<bdi class="l">{_html(e.label)}</bdi></span>'))
    for number, event in enumerate(document.events):
        crossed = [(e.start, e.end) for e in entities if e.start < event.end and event.start < e.end]
        cuts = [event.start, event.end]
        if any(a < event.start < b < event.end or event.start < a < event.end < b for a, b in crossed):
            cuts = sorted({*cuts, *(edge for edge in edges if event.start < edge < event.end)})
        for i, (a, b) in enumerate(itertools.pairwise(cuts)):
            title = _html(f"{event.type} ({event.modality})")
            label = f'<bdi class="l">{_html(event.type)}</bdi>' if i == len(cuts) - 2 else ""
            modality = event.modality if event.modality in schema().modalities else "actual"
            opening = f'<span class="t {modality} v{number}" title="{title}">'
            spans.append((a, b, opening, f"{label}</span>"))
    spans.sort(key=lambda s: (s[0], -s[1]))
    opened: list[tuple[int, str]] = []
    for start, end, opening, closing in spans:
        while opened and opened[-1][0] <= start:
            yield opened[-1][0], 0, opened[-1][1]
            opened.pop()
        yield start, 1, opening
        opened.append((end, closing))
    while opened:
        end, closing = opened.pop()
        yield end, 0, closing


def _marked_text(document: Document) -> str:
    """The text as HTML with its spans; a line end becomes <br>."""
    out, at = [], 0
    for position, _, tag in _tree(document):
        out.append(_html(document.text[at:position]))
        out.append(tag)
        at = position
    out.append(_html(document.text[at:]))
    return "".join(out).replace("\n", "<br>\n")


def _event_list(document: Document) -> str:
    items = []
    for number, event in enumerate(document.events):
        known = schema().events.get(event.type)
        roles = "".join(
            f'<li><bdi class="r">{_html(a.role)}</bdi> <bdi>{_html(a.entity.name)}</bdi></li>' for a in event.arguments
        )
        modality = event.modality if event.modality in schema().modalities else "actual"
        items.append(
            f'<li class="{modality} w{number}" title="{_html(known.ar if known else "")}">'
            f'<bdi class="t {modality}">{_html(event.trigger)}</bdi> <bdi class="k">{_html(event.type)}</bdi> '
            f'<bdi class="m">{_html(event.modality)}</bdi><ul>{roles}</ul></li>'
        )
    return f'<ol class="events">{"".join(items)}</ol>' if items else ""


def _legend(documents: list[Document]) -> str:
    used = {e.label for d in documents for e in d.entities}
    order = [*schema().entities, *sorted(used - set(schema().entities))]
    entries = []
    for label in order:
        if label in used:
            known = schema().entities.get(label)
            title = _html(known.ar if known else label)
            entries.append(f'<bdi class="e {group(label)}" title="{title}">{_html(label)}</bdi>')
    used_modalities = {e.modality for d in documents for e in d.events}
    entries += [f'<bdi class="t {m}">{m}</bdi>' for m in schema().modalities if m in used_modalities]
    return f'<p class="legend">{" ".join(entries)}</p>'


def _article(document: Document) -> str:
    return f'<div class="both"><p class="text">{_marked_text(document)}</p>{_event_list(document)}</div>'


def _hover(documents: list[Document]) -> str:
    """Rules that light up a trigger while its event in the list is pointed at; numbers only, nothing of the input."""
    most = max((len(d.events) for d in documents), default=0)
    rules = (f".both:has(.w{i}:hover) .v{i}{{background:var(--hit)}}" for i in range(most))
    return f"<style>{''.join(rules)}</style>"


def html_page(documents: Iterable[tuple[str, Document]], title: str = "arnews") -> str:
    """One self-contained page: each document under its name, a legend, events with their arguments beside the text."""
    items = list(documents)
    only = [document for _, document in items]
    body = "\n".join(f"<section><h2><bdi>{_html(n)}</bdi></h2>{_article(d)}</section>" for n, d in items)
    return (
        f'<!DOCTYPE html>\n<html lang="ar" dir="rtl"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{_html(title)}</title>'
        f"<style>{PAGE_STYLE}</style>{_hover(only)}</head>\n"
        f'<body class="arnews">{_legend(only)}\n{body}\n</body></html>\n'
    )


def html_fragment(document: Document) -> str:
    """The view of one document for a notebook."""
    return (
        f'<div class="arnews" lang="ar" dir="rtl"><style>{PAGE_STYLE}</style>{_hover([document])}'
        f"{_legend([document])}{_article(document)}</div>"
    )


def _paint(text: str, kind: str, color: bool) -> str:
    return f"\x1b[{_ANSI.get(kind, '0')}m{text}\x1b[0m" if color else text


def terminal(document: Document, *, color: bool, width: int = 100) -> str:
    """Plain text: each sentence, then its entities and its events with their arguments, one a line.

    The label stands first on its line and the Arabic is isolated, so that a terminal with and one without
    bidirectional text both keep the two apart. Escape codes only where `color` is true.
    """
    out: list[str] = []
    for start, end in document.sentences:
        sentence = " ".join(safe(document.text[start:end]).split())
        out += textwrap.wrap(sentence, width) or [""]
        for entity in document.entities:
            if start <= entity.start < end:
                out.append(_entity_line(entity, color))
        for event in document.events:
            if start <= event.start < end:
                out.append(_event_line(event, color))
        out.append("")
    return "\n".join(out)


def _isolated(text: str) -> str:
    return f"\u2068{' '.join(safe(text).split())}\u2069"


def _entity_line(entity: Entity, color: bool) -> str:
    label = _paint(f"{safe(entity.label):<10}", group(entity.label), color)
    return f"  {label} {_isolated(entity.name)}"


def _event_line(event: Event, color: bool) -> str:
    label = _paint(f"{safe(event.type)}.{safe(event.modality)}", "event", color)
    roles = "".join(f"  {safe(a.role)}={_isolated(a.entity.name)}" for a in event.arguments)
    return f"  * {label} {_isolated(event.trigger)}{roles}"
