from __future__ import annotations

import itertools
import re

import lxml.html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arnews.document import Argument, Document, Entity, Event
from arnews.render import html_fragment, html_page, safe, terminal
from tests.test_text import MIXED

ALLOWED = {
    "html", "head", "body", "meta", "title", "style", "section", "h2", "bdi", "div", "p", "span", "br", "ol", "ul", "li",
}  # fmt: skip
ATTRIBUTES = {"lang", "dir", "charset", "name", "content", "class", "title"}
EVIL = [
    opening + payload
    for opening in ("", '"', "'", "-->", "]]>", "</style>", "</title>", "\u202e")
    for payload in (
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<a href='javascript:alert(1)'>x</a>",
        " onmouseover=alert(1) x=", "<svg/onload=alert(1)>", "&lt;b&gt;&#60;i&#62;",
    )
]  # fmt: skip


def worked() -> Document:
    text = "أعلن الرئيس الفرنسي زيارة القاهرة"
    office = Entity("الرئيس الفرنسي", "OCC", 5, 19, 1.0, "الرئيس الفرنسي")
    inner = Entity("الفرنسي", "NORP", 12, 19, 1.0, "الفرنسي")
    city = Entity("القاهرة", "GPE", 26, 33, 1.0, "القاهرة")
    events = (
        Event("زيارة", "TRAVEL", "planned", 20, 25, 1.0, (Argument("PLACE", city, 1.0),)),
        Event("أعلن", "STATEMENT", "actual", 0, 4, 1.0, (Argument("AGENT", office, 1.0),)),
    )
    return Document(text, (inner, city, office), events, ((0, 33),))


def test_render_shows_the_worked_example() -> None:
    page = lxml.html.fromstring(html_page([("خبر", worked())]))
    outer = page.cssselect("p.text span.e")[0]
    assert outer.get("title") == "OCC: الرئيس الفرنسي" and outer.cssselect("span.e")[1].get("title") == "NORP: الفرنسي"
    assert [li.text_content() for li in page.cssselect("ol.events > li")] == [
        "زيارة TRAVEL plannedPLACE القاهرة", "أعلن STATEMENT actualAGENT الرئيس الفرنسي",
    ]  # fmt: skip
    assert page.cssselect("span.t.planned") and page.get("dir") == "rtl"
    out = terminal(worked(), color=False)
    assert "NORP       \u2068الفرنسي\u2069" in out and "PLACE=\u2068القاهرة\u2069" in out
    assert "\x1b[" in terminal(worked(), color=True)


def check_inert(markup: str) -> lxml.html.HtmlElement:
    page = lxml.html.fromstring(markup)
    for element in page.iter():
        assert element.tag in ALLOWED
        assert set(element.attrib) <= ATTRIBUTES
        if element.tag == "style":
            assert re.fullmatch(r"[\x20-\x7e\n]*", element.text or "") and "<" not in (element.text or "")
    markup.encode("utf-8")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]", markup)
    return page


@pytest.mark.parametrize("evil", EVIL)
def test_r32_rendered_html_is_inert(evil: str) -> None:
    assert len(EVIL) >= 40
    entity = Entity(evil, evil, 0, len(evil), 1.0, evil)
    event = Event(evil, evil, evil, 0, len(evil), 1.0, (Argument(evil, entity, 1.0),))
    document = Document(evil, (entity,), (event,), ((0, len(evil)),))
    page = check_inert(html_page([(evil, document)], title=evil))
    check_inert(html_fragment(document))
    assert page.findtext(".//title") == safe(evil)
    assert safe(evil) in page.cssselect("p.text")[0].text_content()


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Any text with unsorted entities that nest, and triggers that may cross them."""
    text = draw(MIXED.filter(bool))
    edges = sorted(draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=8)))
    nested = [(a, b) for a, b in zip(edges[: len(edges) // 2], reversed(edges), strict=False) if a < b]
    entities = [Entity(text[a:b], "GPE", a, b, 1.0, text[a:b]) for a, b in draw(st.permutations(sorted(set(nested))))]
    cuts = sorted(set(draw(st.lists(st.integers(0, len(text)), max_size=6))))
    spans = list(itertools.pairwise(cuts))
    events = [Event(text[a:b], "ATTACK", "negated", a, b, 1.0) for a, b in spans[::2]]
    return Document(text, tuple(entities), tuple(events), ((0, len(text)),))


@settings(max_examples=1500, deadline=None)
@given(documents())
def test_render_keeps_the_text_whole(document: Document) -> None:
    page = check_inert(html_fragment(document))
    text = page.cssselect("p.text")[0]
    assert len(text.cssselect("span.e")) == len(document.entities)
    for label in text.cssselect("bdi.l"):
        label.getparent().remove(label) if not label.tail else label.drop_tag()
    visible = text.text_content().replace("GPE", "").replace("ATTACK", "")
    wanted = safe(document.text).replace("GPE", "").replace("ATTACK", "")
    assert "".join(visible.split()) == "".join(wanted.split())
    plain = terminal(document, color=False)
    assert "\x1b" not in plain and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", plain)
    plain.encode("utf-8")
