"""How the views look, and what of a text they may show.

Takes text, and names of labels; gives text that drives neither a terminal nor the direction of a line, and style
from a fixed palette, where a name that the schema does not have is "other". Knows nothing of documents and spans.
"""

from __future__ import annotations

import re
import unicodedata

from arnews.schema import schema

# Marks that turn the direction of what follows, and characters that drive a terminal or that UTF-8 cannot hold.
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f]")
_LINE_END = re.compile("[\r\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_RTL = ("R", "AL")

# Each event of a paragraph has a rule of its own for pointing at it, which a browser tries at every move of the
# pointer. News paragraphs have fewer than twenty events; the bound is for a book on one line.
_POINTED = 200
# A trigger of up to so many characters stays on one line with its label.
SHORT = 30
_SGR = {"name": "36", "place": "32", "thing": "35", "time": "33", "number": "34", "event": "1;31", "dim": "2"}
# Triggers are told apart by their line and not by colour alone, so that the page reads in grey, too. Margins name
# their side, since a label is left-to-right in itself.
PAGE_STYLE = """
.arnews{color-scheme:light dark;--bg:#fff;--fg:#1b1d21;--dim:#5a5f68;--line:#d9dce1;--hit:#ffe27a;--ring:#a67c00;
--edge:#00000038;
--name:#d6e6fb;--place:#d3efd8;--thing:#eadbf8;--time:#fbe8bd;--number:#dde2ec;--other:#e6e6e6;
--actual:#b3261e;--planned:#1557b0;--possible:#8a5200;--negated:#565a61;
background:var(--bg);color:var(--fg);text-align:start;
font:1.1rem/2.6 "Noto Naskh Arabic","Noto Sans Arabic","Geeza Pro","Segoe UI","Arial",sans-serif}
@media screen and (prefers-color-scheme:dark){.arnews{--bg:#15171a;--fg:#e9eaec;--dim:#aab0b9;--line:#383c43;
--hit:#463800;--ring:#e5b800;--edge:#ffffff40;
--name:#1c3a60;--place:#1c4728;--thing:#452c60;--time:#463609;--number:#363f52;
--other:#404040;--actual:#ff8a80;--planned:#8ab4f8;--possible:#fbc05a;--negated:#b5bac2}}
body.arnews{margin:0 auto;padding:1rem;max-width:80rem}
div.arnews{padding:.5rem 1rem}
.arnews *{box-sizing:border-box}
.arnews h1,.arnews h2{margin:1em 0 .4em;line-height:1.4;font-weight:normal}
.arnews h1{font-size:1.3em}
.arnews h2{font-size:1em;color:var(--dim);border-bottom:1px solid var(--line)}
.arnews .b{display:grid;grid-template-columns:minmax(0,5fr) minmax(0,3fr);column-gap:2rem;align-items:start}
.arnews .b>p{margin:0 0 .5rem;overflow-wrap:anywhere}
.arnews .b>p:empty{height:1rem}
.arnews .e{border-radius:.3em;background:var(--other);box-shadow:0 0 0 .1em var(--edge);padding-block:.1em}
.arnews .e:has(.e){padding-block:.26em}
.arnews .e:has(.e .e){padding-block:.42em}
.arnews .name{background:var(--name)}.arnews .place{background:var(--place)}.arnews .thing{background:var(--thing)}
.arnews .time{background:var(--time)}.arnews .number{background:var(--number)}
.arnews .l,.arnews .k,.arnews .m,.arnews .r{font:600 .6em/1 system-ui,"DejaVu Sans",sans-serif;color:var(--dim)}
.arnews .e.s{padding-right:.2em}.arnews .e.i{unicode-bidi:isolate}
.arnews .l{margin:0 .4em;vertical-align:.1em;white-space:nowrap;user-select:none;-webkit-user-select:none}
.arnews .t{font-weight:bold;text-underline-offset:.45em;text-decoration:underline 2px var(--dim)}
.arnews .t.actual{text-decoration:underline solid 2px var(--actual)}
.arnews .t.planned{text-decoration:underline dashed 2px var(--planned)}
.arnews .t.possible{text-decoration:underline dotted 3px var(--possible)}
.arnews .t.negated{text-decoration:underline line-through 1px var(--negated)}
.arnews .t.n{white-space:nowrap}
.arnews .t>.l{display:inline-block;margin-left:.1em}
.arnews .actual>.l,.arnews .actual>.k,.arnews .actual>.m{color:var(--actual)}
.arnews .planned>.l,.arnews .planned>.k,.arnews .planned>.m{color:var(--planned)}
.arnews .possible>.l,.arnews .possible>.k,.arnews .possible>.m{color:var(--possible)}
.arnews .negated>.l,.arnews .negated>.k,.arnews .negated>.m{color:var(--negated)}
.arnews .legend{margin:0;font-size:.85em;line-height:2.1}
.arnews .legend bdi{margin-left:.7em;white-space:nowrap}
.arnews .legend .e{padding-inline:.4em;font:.75em/1 system-ui,"DejaVu Sans",sans-serif}
.arnews .legend .k{font-size:.7em}
.arnews .legend .t{font-size:.8em}
.arnews .b>ol{list-style:none;margin:0 0 .5rem;padding:0;padding-inline-start:.7rem;font-size:.85em;line-height:1.9;
border-inline-start:2px solid var(--line)}
.arnews .b>ol>li{padding:.1em .4em;border-radius:.3em;overflow-wrap:anywhere}
.arnews .b>ol>li:focus-visible{outline:2px solid var(--planned)}
.arnews .b>ol>li>bdi{margin-left:.6em}
.arnews .b ul{list-style:none;display:inline;margin:0;padding:0}
.arnews .b ul li{display:inline-block;margin-left:1em}
.arnews .r{margin-left:.5em;font-weight:normal}
.arnews .pair{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);column-gap:2rem;align-items:start}
.arnews .pair .b{grid-template-columns:minmax(0,1fr)}
@media(max-width:48rem){.arnews .b{grid-template-columns:minmax(0,1fr)}}
@media print{.arnews,.arnews *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.arnews .b{break-inside:avoid}body.arnews{max-width:none;padding:0;font-size:11pt}}
"""


def safe(text: str) -> str:
    """The text with bidirectional marks left out, every line end a newline, and control characters and lone
    surrogates replaced by U+FFFD.

    >>> safe("نص\\u202e\\x1b[31m")
    'نص\ufffd[31m'
    """
    return neutral(newlines(text))


def newlines(text: str) -> str:
    """Line ends as newlines, at the same length: offsets still hold, and no span edge can part \\r from \\n."""
    return _LINE_END.sub("\n", text.replace("\r\n", "\u200e\n"))


def neutral(text: str) -> str:
    """`safe` for a piece of a text whose line ends are newlines already."""
    return _CONTROL.sub("\ufffd", _BIDI.sub("", text))


def one_line(text: str) -> str:
    """`safe`, with single spaces."""
    return " ".join(safe(text).split())


def group(label: str) -> str:
    """The group of an entity label in the palette."""
    known = schema().entities.get(label)
    return known.group if known else "other"


def modality(name: str) -> str:
    """The modality's name in the palette."""
    return name if name in schema().modalities else "other"


def paint(text: str, kind: str) -> str:
    """The text in the terminal colour of a group, of a trigger ("event") or of brackets ("dim")."""
    return f"\x1b[{_SGR[kind]}m{text}\x1b[0m" if text and kind in _SGR else text


def style(most: int) -> str:
    """The style sheet, with the rules that light up an event, its trigger and its arguments while the event or its
    trigger is pointed at: `.w3` is the fourth event of a paragraph, `.v3` its trigger, `.a3` its arguments."""
    rules = (
        f".arnews .b:has(.w{n}:is(:hover,:focus)) :is(.v{n},.a{n}),.arnews .b:has(.v{n}:hover) :is(.w{n},.v{n},.a{n}),"
        f".arnews .w{n}:is(:hover,:focus){{background:var(--hit);box-shadow:0 0 0 2px var(--ring)}}\n"
        for n in range(min(most, _POINTED))
    )
    return PAGE_STYLE + "".join(rules)


def columns(text: str) -> int:
    """How many cells of a terminal the text takes: none for diacritics and invisible marks, two for wide letters."""
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me", "Cf") else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def has_latin(text: str) -> bool:
    """Whether a letter of the text runs left to right."""
    return any(unicodedata.bidirectional(c) == "L" for c in text)


def turn(text: str) -> str:
    """The mark that a line of a terminal needs in front: right-to-left where it is Arabic and begins with Latin."""
    strong = [kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", *_RTL)]
    return "\u200f" if "L" in strong[:1] and any(kind in _RTL for kind in strong) else ""


def isolated(name: str) -> str:
    """A name for a line that begins with a Latin label. It is isolated where it is Arabic with other things at its
    edges or Latin in it, whose order the label would draw to itself; elsewhere the marks would only be in the way."""
    shown = one_line(name)
    kinds = [unicodedata.bidirectional(c) for c in shown]
    mixed = kinds and ("L" in kinds or kinds[0] not in _RTL or kinds[-1] not in (*_RTL, "NSM", "EN", "AN"))
    return f"\u2068{shown}\u2069" if mixed and any(kind in _RTL for kind in kinds) else shown
