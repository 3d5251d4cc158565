from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arnews.errors import FormatError
from arnews.markup import (
    MarkedEntity,
    MarkedEvent,
    Paragraph,
    parse,
    parse_paragraph,
    read_file,
    write,
    write_paragraph,
)
from arnews.validate import check_paragraph

LINE = (
    "[الرئيس [الروسي|NORP]|OCC] [فلاديمير بوتين|PERS #1] {يلتقي|MEET.planned AGENT=1,2 PLACE=3 TIME=4} نظيره"
    " [الصيني|NORP] [شي جين بينغ|PERS #2] في [بكين|GPE #3] [الأسبوع المقبل|DATE #4]"
)
FILE = f"# doc: diplomacy-0042\n# topic: diplomacy | genre: page | region: asia | date: 2019-03-14\n{LINE}\n~ شارك \\[هنا\\]\n"


def test_markup_reads_the_example_of_the_guidelines() -> None:
    (document,) = parse(FILE)
    first, second = document.paragraphs
    assert document.meta == {"topic": "diplomacy", "genre": "page", "region": "asia", "date": "2019-03-14"}
    assert first.text == "الرئيس الروسي فلاديمير بوتين يلتقي نظيره الصيني شي جين بينغ في بكين الأسبوع المقبل"
    assert first.marks[:3] == (
        MarkedEntity(0, 13, "OCC"), MarkedEntity(7, 13, "NORP"), MarkedEntity(14, 28, "PERS", 1),
    )  # fmt: skip
    assert first.events == (
        MarkedEvent(29, 34, "MEET", "planned", (("AGENT", (1, 2)), ("PLACE", (3,)), ("TIME", (4,)))),
    )
    assert second.furniture and second.text == "شارك [هنا]"
    assert write([document]) == FILE


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ("في [بكين|CITY]", 10, "unknown entity label 'CITY'"),
        ("{زار|VISIT}", 6, "unknown event type 'VISIT'"),
        ("{زار|TRAVEL.maybe}", 6, "unknown modality 'maybe'"),
        ("[علي|PERS #1] {زار|TRAVEL WHO=1}", 20, "unknown role 'WHO'"),
        ("{زار|TRAVEL AGENT=2} [علي|PERS #1]", 1, "no entity of this line has the id #2"),
        ("[علي|PERS #1] و[عمر|PERS #1]", 16, "the id #1 is there twice"),
        ("[علي |PERS]", 1, "starts or ends on a space"),
        ("[وموسكو|GPE]", 1, "starts on the proclitic"),
        ("[للصين|GPE]", 1, "starts on the proclitic"),
        ("[|PERS]", 1, "an empty span"),
        ("[علي|PERS", 1, "is not closed"),
        ("علي]", 4, "unbalanced bracket"),
        ("[علي]", 5, "unbalanced bracket"),
        ("علي|عمر", 4, "a bar outside brackets"),
        ("علي\\عمر", 4, "a backslash escapes"),
        ("{أعلن {زيارة|TRAVEL}|STATEMENT}", 7, "an event inside an event"),
        ("[علي|PERS #1] {زار|TRAVEL AGENT=1 AGENT=1}", 20, "the role AGENT is there twice"),
        ("[علي|PERS #1] {زار|TRAVEL AGENT=1,1}", 15, "an id stands twice"),
    ],
)
def test_markup_refuses_with_place_and_reason(line: str, column: int, reason: str) -> None:
    with pytest.raises(FormatError) as error:
        parse(f"# doc: a\n# topic: b\n{line}\n", file="x.txt")
    assert reason in str(error.value)
    assert str(error.value).startswith(f"x.txt:3:{column}: ")


@pytest.mark.parametrize(
    "text", ["متن\n", "# doc: a\nb\n\n\n# doc: c\nd\n", "# doc: a\nb", "# doc: a\n", "# doc: \nb\n"]
)
def test_markup_refuses_broken_files(text: str) -> None:
    with pytest.raises(FormatError):
        parse(text)


def test_markup_keeps_the_second_lam_of_the_article() -> None:
    assert parse_paragraph("ل[لصين|GPE]").entities == (MarkedEntity(1, 5, "GPE"),)


def test_markup_names_the_byte_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"# doc: a\n" + "مصر".encode("cp1256") + b"\n")
    with pytest.raises(FormatError, match="byte 9"):
        read_file(path)


@st.composite
def paragraphs(draw: st.DrawFn) -> Paragraph:
    """Any text without line ends, with nested entity spans and events over its words."""
    text = " ".join(draw(st.lists(st.text(st.sampled_from("ابتثحخد[]{}|\\123#"), min_size=1, max_size=5), max_size=9)))
    edges = [i for i in range(len(text) + 1)]
    marks: list[MarkedEntity | MarkedEvent] = []

    def fill(start: int, end: int, depth: int) -> None:
        at = start
        while depth < 3 and at < end and draw(st.booleans()):
            a = draw(st.sampled_from(edges[at:end]))
            b = draw(st.sampled_from(edges[a + 1 : end + 1]))
            if text[a:b] == text[a:b].strip() and text[a:b]:
                if draw(st.booleans()):
                    marks.append(MarkedEvent(a, b, "TRADE", draw(st.sampled_from(["actual", "possible"]))))
                else:
                    marks.append(MarkedEntity(a, b, "PRODUCT"))
                    fill(a, b, depth + 1)
            at = b

    fill(0, len(text), 0)
    return Paragraph(text, tuple(marks), draw(st.booleans()), 1)


@given(paragraphs())
def test_markup_round_trip(paragraph: Paragraph) -> None:
    written = write_paragraph(paragraph)
    if not paragraph.furniture and paragraph.text.startswith("~ "):
        return
    assert parse_paragraph(written) == paragraph
    assert write_paragraph(parse_paragraph(written)) == written


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ("[وزارة {الدفاع|ATTACK}|ORG]", "no trigger inside a name"),
        ("[الرئيس بوتين|PERS]", "starts with a title"),
        ("[عام [2020|CARDINAL]|DATE]", "numbers do not nest"),
        ("[علي|PERS #1] قال", "used by no event"),
        ("في [موسك|GPE]و", "ends inside the word"),
        ("مد[ينة|GPE]", "starts inside a word"),
        ("زار [موسكو،|GPE]", "punctuation"),
    ],
)
def test_validate_finds(line: str, finding: str) -> None:
    assert any(finding in found for found in check_paragraph(parse_paragraph(line)))


def test_validate_passes_a_good_line() -> None:
    assert list(check_paragraph(parse_paragraph(LINE))) == []
