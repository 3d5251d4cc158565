from __future__ import annotations

import re

import lxml.html
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arnews import render_style
from arnews.document import Argument, Document, Entity, Event
from arnews.render import html_fragment, html_page, terminal
from arnews.render_style import one_line, safe
from tests.test_text import MIXED

ALLOWED: dict[str, set[str]] = {
    "html": {"lang", "dir"}, "head": set(), "meta": {"charset", "name", "content"}, "title": set(), "style": set(),
    "body": {"class"}, "div": {"class", "lang", "dir"}, "section": set(), "h1": set(), "h2": set(), "p": {"class"},
    "span": {"class", "title"}, "bdi": {"class", "title"}, "ol": set(), "ul": set(), "li": {"class", "tabindex"},
}  # fmt: skip
CLASSES = {
    "arnews", "b", "e", "t", "l", "k", "m", "r", "n", "s", "i", "legend",
    "name", "place", "thing", "time", "number", "other", "actual", "planned", "possible", "negated",
}  # fmt: skip
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
EVIL = [
    opening + payload
    for opening in ("", '"', "'", "-->", "]]>", "</style>", "</title></p>", "\u202e\u2067", "\x00\x1b]0;\x07\ud800")
    for payload in (
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<a href='javascript:alert(1)'>x</a>",
        " onmouseover=alert(1) x=", "<svg/onload=alert(1)>", "&lt;b&gt;&#60;i&#62;&amp", "{}</p><style>*{x:url(//a)}",
    )
]  # fmt: skip


def worked() -> Document:
    text = "أعلن الرئيس الفرنسي زيارة القاهرة"
    office = Entity("الرئيس الفرنسي", "OCC", 5, 19, 1.0, "الرئيس الفرنسي")
    inner = Entity("الفرنسي", "NORP", 12, 19, 0.875, "الفرنسي")
    city = Entity("القاهرة", "GPE", 26, 33, 1.0, "القاهرة")
    events = (
        Event(
            "زيارة", "TRAVEL", "planned", 20, 25, 1.0, (Argument("AGENT", office, 1.0), Argument("PLACE", city, 1.0))
        ),
        Event("أعلن", "STATEMENT", "actual", 0, 4, 1.0, (Argument("AGENT", office, 1.0),)),
    )
    return Document(text, (inner, city, office), events, ((0, 33),))


def spans(text: str, *places: tuple[int, int, str]) -> Document:
    """A document of entities, and of triggers where the label is written in small letters."""
    entities = [Entity(text[a:b], label, a, b, 1.0, text[a:b]) for a, b, label in places if label.isupper()]
    events = [Event(text[a:b], label, "actual", a, b, 1.0) for a, b, label in places if not label.isupper()]
    return Document(text, tuple(entities), tuple(events))


def drawn(markup: str) -> str:
    """The paragraphs of a view: `(` and `)` for an entity, `<` and `>` for a trigger, labels after a bar."""

    def inner(element: lxml.html.HtmlElement) -> str:
        text = (element.text or "") + "".join(inner(child) + (child.tail or "") for child in element)
        if element.tag == "bdi":
            return "|" + text
        kinds = element.get("class", "").split()
        return f"({text})" if "e" in kinds else f"<{text}>" if "t" in kinds else text

    return "\n".join(inner(p) for p in lxml.html.fromstring(markup).cssselect(".b > p"))


def visible(page: lxml.html.HtmlElement) -> str:
    """The text as a reader sees it, without labels."""
    for label in page.cssselect("span > bdi.l"):
        label.drop_tree()
    return "\n".join(p.text_content() for p in page.cssselect(".b > p"))


def check_inert(markup: str) -> lxml.html.HtmlElement:
    markup.encode("utf-8")
    assert not BIDI.search(markup) and not UNSAFE.search(markup)
    page = lxml.html.fromstring(markup)
    for element in page.iter():
        assert isinstance(element.tag, str) and element.tag in ALLOWED, element.tag
        assert set(element.attrib) <= ALLOWED[element.tag], element.attrib
        assert not any("javascript:" in value for name, value in element.attrib.items() if name != "title")
        for kind in element.get("class", "").split():
            assert kind in CLASSES or re.fullmatch(r"[avw]\d+", kind), kind
        assert element.get("tabindex", "0") == "0" and element.get("dir", "rtl") == "rtl"
        if element.tag == "style":
            counts = [len(ol) for ol in page.cssselect("ol")]
            assert element.text == render_style.style(max(counts, default=0))
    return page


def test_render_shows_the_worked_example() -> None:
    markup = html_page([("خبر", worked())], title="أخبار")
    page = lxml.html.fromstring(markup)
    assert (page.get("lang"), page.get("dir"), page.findtext(".//title")) == ("ar", "rtl", "أخبار")
    assert drawn(markup) == "<أعلن|STATEMENT> (الرئيس (الفرنسي|NORP)|OCC) <زيارة|TRAVEL> (القاهرة|GPE)"
    titles = [e.get("title") for e in page.cssselect("p span")]
    assert titles == [
        "STATEMENT (actual)",
        "OCC: الرئيس الفرنسي",
        "NORP: الفرنسي 0.88",
        "TRAVEL (planned)",
        "GPE: القاهرة",
    ]
    assert [[x.text for x in li.iter("bdi")] for li in page.cssselect("ol > li")] == [
        ["أعلن", "STATEMENT", "actual", "AGENT", "الرئيس الفرنسي"],
        ["زيارة", "TRAVEL", "planned", "AGENT", "الرئيس الفرنسي", "PLACE", "القاهرة"],
    ]
    # Each event's number is on its line, its trigger and its arguments, and nowhere else.
    assert [e.text for e in page.cssselect(".v1")] == ["زيارة"] and len(page.cssselect(".w1")) == 1
    assert [e.get("class") for e in page.cssselect("span.e")] == ["e name a0 a1 s", "e name s", "e place a1 s"]
    assert page.cssselect("span.t.planned.v1") and not page.cssselect("span.e.v1")
    known = ["NORP", "OCC", "GPE", "actual", "planned", "STATEMENT", "TRAVEL"]
    assert sorted(e.text for e in page.cssselect(".legend bdi")) == sorted(known)
    assert page.cssselect(".legend .place")[0].get("title").startswith("دولة")


def test_render_terminal_shows_the_worked_example() -> None:
    assert terminal(worked(), color=False).splitlines() == [
        "{أعلن|STATEMENT} [الرئيس [الفرنسي|NORP]|OCC] {زيارة|TRAVEL.planned} [القاهرة|GPE]",
        "  * STATEMENT أعلن AGENT=الرئيس الفرنسي",
        "  * TRAVEL.planned زيارة AGENT=الرئيس الفرنسي PLACE=القاهرة",
        "",
        "NORP: الفرنسي",
        "OCC: الرئيس الفرنسي",
        "GPE: القاهرة",
    ]
    assert "\x1b[32mالقاهرة\x1b[0m" in terminal(worked(), color=True)


def test_render_keeps_paragraphs_and_blocks_of_events() -> None:
    text = "وصل وفد\r\n\r\nغادر  وفد\rآخر\u2028انتهى"
    first, second = text.index("وفد"), text.rindex("وفد")
    party = Entity("وفد", "ORG", second, second + 3, 1.0, "وفد")
    arrival = Event("وصل", "TRAVEL", "actual", 0, 3, 1.0, (Argument("AGENT", party, 1.0),))
    leaving = Event(
        "غادر", "TRAVEL", "negated", text.index("غ"), text.index("غ") + 4, 1.0, (Argument("AGENT", party, 1.0),)
    )
    page = check_inert(
        html_fragment(Document(text, (spans(text, (first, first + 3, "ORG")).entities[0], party), (leaving, arrival)))
    )
    assert visible(page) == "وصل وفد\n\nغادر  وفد\nآخر\nانتهى"
    blocks = page.cssselect(".b")
    assert [len(b.cssselect("li")) > 0 for b in blocks] == [True, False, True, False, False]
    # Numbers begin again in each paragraph; an argument in another paragraph than its event is not lit up there.
    assert not blocks[0].cssselect("p .a0") and len(blocks[2].cssselect("p .a0")) == 1
    assert len(blocks[2].cssselect("li.negated.w0")) == 1 and blocks[2].cssselect("p .t.negated.v0")


@pytest.mark.parametrize(
    ("places", "wanted"),
    [
        ([(2, 4, "A"), (0, 8, "C"), (0, 4, "B")], "((ab(cd|A)|B)efgh|C)"),
        ([(2, 6, "E"), (0, 4, "t")], "<ab>(<cd|t>ef|E)gh"),
        ([(2, 6, "E"), (4, 8, "t")], "ab(cd<ef>|E)<gh|t>"),
        ([(2, 6, "E"), (3, 5, "t")], "ab(c<de|t>f|E)gh"),
        ([(3, 5, "E"), (2, 6, "t")], "ab<c(de|E)f|t>gh"),
        ([(2, 6, "E"), (2, 6, "t")], "ab(<cdef|t>|E)gh"),
        ([(2, 6, "E"), (3, 5, "F"), (4, 8, "t")], "ab(c(d<e>|F)<f>|E)<gh|t>"),
        ([(0, 3, "E"), (3, 6, "F"), (2, 5, "t")], "(ab<c>|E)(<de|t>f|F)gh"),
        ([(0, 4, "u"), (2, 6, "t")], "<ab<cd>|u><ef|t>gh"),
        ([(-3, 2, "E"), (6, 99, "F"), (4, 4, "G"), (5, 3, "t")], "(ab|E)cdef(gh|F)"),
    ],
)  # fmt: skip
def test_render_nests_cuts_and_sorts_spans(places: list[tuple[int, int, str]], wanted: str) -> None:
    for order in (places, places[::-1]):
        markup = html_fragment(spans("abcdefgh", *order))
        assert drawn(markup) == wanted
        check_inert(markup)
        terminal(spans("abcdefgh", *order), color=False)


def test_render_cuts_a_span_at_a_paragraph() -> None:
    document = spans("ab\ncd", (1, 4, "E"), (0, 5, "t"))
    assert drawn(html_fragment(document)) == "<a(b)>\n<(c|E)d|t>"
    # The event is in the list of its first paragraph, whose numbers are not those of the second.
    assert [len(b.cssselect(".v0")) for b in check_inert(html_fragment(document)).cssselect(".b")] == [1, 0]


def test_render_isolates_latin_but_not_inside_a_word() -> None:
    text = "منصة X تنافس facebook ولـ\u200fNASA وبمصر"
    document = spans(text, *((text.index(s), text.index(s) + len(s), "ORG") for s in ("X", "facebook", "مصر")))
    page = check_inert(html_fragment(document))
    assert [e.get("class").split()[2:] for e in page.cssselect("p span.e")] == [["s", "i"], ["s", "i"], []]


@pytest.mark.parametrize("evil", EVIL)
def test_r32_rendered_html_is_inert(evil: str) -> None:
    assert len(EVIL) >= 40
    entity = Entity(evil, evil, 0, len(evil), 0.5, evil)
    event = Event(evil, evil, evil, 0, len(evil), 0.5, (Argument(evil, entity, 0.5),))
    document = Document(evil, (entity,), (event,), ((0, len(evil)),))
    page = check_inert(html_page([(evil, document)], title=evil))
    shown = one_line(evil)
    for place in ("title", "h1 bdi", "h2 bdi", "bdi.l", "li > bdi.t", "li > bdi.k", "li > bdi.m", "li li > bdi"):
        assert {e.text for e in page.cssselect(place)} == {shown}, place
    assert {e.text for e in page.cssselect(".legend bdi")} == {shown}
    assert page.cssselect("span.e")[0].get("title") == one_line(f"{evil}: {evil} 0.50")
    assert visible(page) == safe(evil)
    check_inert(html_fragment(document))
    assert shown in terminal(document, color=False, width=1000)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Any text with unsorted entities that nest, and triggers anywhere; sentences that may not fit it."""
    text = draw(
        st.one_of(
            MIXED, st.text(st.sampled_from("ab \n\r\t\x00\x1b\x85\u2028\u202e\u2066\ud800\uffff<&\"'وب"), max_size=30)
        )
    )
    place = st.integers(0, len(text))
    label = st.sampled_from(["GPE", "ORG", "<b>", "x y", "\x1b[31m\u202e"])
    entities: list[Entity] = []
    for a, b in draw(st.lists(st.tuples(place, place), max_size=8)):
        a, b = min(a, b), max(a, b)
        if a < b and not any(e.start < a < e.end < b or a < e.start < b < e.end for e in entities):
            entities.append(Entity(text[a:b], draw(label), a, b, 1.0, text[a:b]))
    events = []
    for a, b in (
        draw(st.lists(st.tuples(place, place).filter(lambda ab: ab[0] < ab[1]), max_size=5)) if len(text) else []
    ):
        arguments = tuple(Argument("AGENT", e, 1.0) for e in entities[:2])
        modality = draw(st.sampled_from(["actual", "negated", "<i>"]))
        events.append(Event(text[a:b], draw(label), modality, a, b, 1.0, arguments))
    sentences = tuple(sorted(draw(st.lists(st.tuples(place, place), max_size=3))))
    return Document(text, tuple(entities), tuple(events), sentences)


@settings(max_examples=1500, deadline=None)
@given(documents())
@example(Document(""))
@example(spans("a\r\nb", (0, 2, "E"), (2, 4, "F"), (1, 3, "t")))
def test_render_keeps_the_text_whole(document: Document) -> None:
    markup = html_fragment(document)
    page = check_inert(markup)
    lines = safe(document.text).split("\n")
    assert len(page.cssselect("p span.e > bdi.l")) == len(document.entities)
    assert len(page.cssselect("p span.t > bdi.l")) == len(document.events) == len(page.cssselect("ol > li"))
    if len(lines) == 1:  # an entity is drawn whole: triggers are cut at entities, never the other way round
        assert len(page.cssselect("p span.e")) == len(document.entities)
    assert visible(page) == "\n".join(lines)


@settings(max_examples=1500, deadline=None)
@given(documents(), st.integers(1, 40))
def test_render_terminal_is_driven_by_nothing_in_the_text(document: Document, width: int) -> None:
    plain = terminal(document, color=False, width=width)
    plain.encode("utf-8")
    assert not UNSAFE.search(plain) and "\t" not in plain
    for line in plain.split("\n"):
        # What marks are left are ours: a pair around a name, or one in front of a line.
        assert not BIDI.search(re.sub("\u2068([^\u2066-\u2069]*)\u2069", r"\1", line.removeprefix("\u200f")))
    painted = terminal(document, color=True, width=width)
    assert re.sub(r"\x1b\[[\d;]+m", "", painted) == plain
    assert not UNSAFE.search(re.sub(r"\x1b\[[\d;]+m", "", painted))
    assert all(line.count("\x1b[0m") * 2 == line.count("\x1b") for line in painted.split("\n"))
    bare = terminal(Document(document.text, (), (), document.sentences), color=False, width=width)
    assert "".join(bare.replace("\u200f", "").split()) == "".join(safe(document.text).split())


def test_render_terminal_wraps_words_and_shows_what_no_sentence_holds() -> None:
    text = "قال NASA إنَّ " + "كلمة " * 30 + "\nسطر ثان"
    lines = terminal(spans(text, (4, 8, "ORG")), color=False, width=20).splitlines()
    assert max(len(line.replace("\u0651", "").replace("\u064e", "")) for line in lines) <= 20
    assert lines[0] == "قال [NASA|ORG] إنَّ" and lines[lines.index("") - 1] == "سطر ثان"
    # The first sentence begins after the first word, which is shown all the same.
    whole = terminal(Document("عاجل: وصل الوفد", (), (), ((6, 15),)), color=False)
    assert whole.split() == ["عاجل:", "وصل", "الوفد"]
    # A line of Arabic that begins with Latin is turned; a name with a number in front is kept together.
    turned = spans("NASA أعلنت", (0, 4, "ORG"))
    assert terminal(turned, color=False).startswith("\u200f[NASA|ORG] أعلنت\n")
    assert "MONEY: \u206845 دولار\u2069" in terminal(spans("45 دولار", (0, 8, "MONEY")), color=False)


def test_render_colours_can_be_read() -> None:
    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = render_style.PAGE_STYLE.split("@media screen")
    for scheme in (light, dark.split("body.arnews")[0]):
        colours = {k: luminance(v) for k, v in re.findall(r"--(\w+):(#[0-9a-f]{3,6})[;}]", scheme)}
        for back in ("bg", "hit", "name", "place", "thing", "time", "number", "other"):
            for front in ("fg", "dim", "actual", "planned", "possible", "negated"):
                low, high = sorted((colours[back], colours[front]))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (front, back)  # WCAG 2, level AA
