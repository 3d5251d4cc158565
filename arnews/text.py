"""Cleaning that can always point back to the original.

Takes a raw string; gives a `Text`: the cleaned string and, for each of its characters, where it stood in the raw
one; and the rules of proclitics written onto a word. Knows nothing of sentences, words' labels or models.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from arnews.schema import schema

# What one character becomes. Everything not listed here or dropped by `_table` stays as it is.
_SINGLE = {
    **{chr(0x660 + d): str(d) for d in range(10)},  # Arabic-Indic digits
    **{chr(0x6F0 + d): str(d) for d in range(10)},  # Persian digits
    **dict.fromkeys("“”„‟«»", '"'),
    **dict.fromkeys("‘’‚‛‹›", "'"),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("\v\f\r\x1c\x1d\x1e\x85\u2028\u2029", "\n"),
    "٪": "%", "٫": ".", "٬": ",", "…": "...", "\t": " ",
    "ی": "ي", "ک": "ك", "ھ": "ه", "ہ": "ه", "ٱ": "ا",
}  # fmt: skip
_PRESENTATION = (*range(0xFB50, 0xFE00), *range(0xFE70, 0xFEFF), *range(0xFF01, 0xFFEF))
_TATWEEL = "ـ"
_PLANE = 0x10000

# Letters and digits are words of their own kind ("إف16" is two), every other mark stands alone. Runs are cut at 100
# characters: no word of a language is that long, and WordPiece gives up on longer ones.
WORD = re.compile(r"[^\W\d_]{1,100}|\d{1,100}|[^\w\s]|_")


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A raw text, its clean form, and the way back.

    `starts[i]`, `ends[i]` (int32, one per clean character) are the raw offsets of the piece that clean character `i`
    came from; the diacritics and tatweel that follow a letter belong to it.

    >>> t = clean("قالَ مُحمّدٌ")
    >>> t.clean, t.raw[slice(*t.to_raw(4, 8))]
    ('قال محمد', 'مُحمّدٌ')
    """

    raw: str
    clean: str
    starts: np.ndarray
    ends: np.ndarray

    def words(self) -> list[tuple[int, int]]:
        """The words as clean offsets; what one raw character became (ﷺ, …) is one word, so that the raw offsets of
        different words never overlap."""
        spans = word_spans(self.clean)
        if not (self.starts[1:] == self.starts[:-1]).any():
            return spans
        merged: list[tuple[int, int]] = []
        for start, end in spans:
            if merged and self.starts[start] <= self.starts[merged[-1][1] - 1]:
                start = merged.pop()[0]
            merged.append((start, end))
        return merged

    def to_raw(self, start: int, end: int) -> tuple[int, int]:
        """The raw offsets of the clean span `[start, end)`, which is not empty."""
        return int(self.starts[start]), int(self.ends[end - 1])

    def to_clean(self, start: int, end: int) -> tuple[int, int]:
        """The clean offsets of the raw span `[start, end)`; empty where nothing of it was kept."""
        left = int(np.searchsorted(self.starts, start, side="left"))
        right = int(np.searchsorted(self.starts, end, side="left"))
        return left, right


def _replacement(char: str) -> str:
    if char in _SINGLE:
        return _SINGLE[char]
    category = unicodedata.category(char)
    if category == "Cs":
        return "\ufffd"  # a lone surrogate cannot be encoded
    if char == _TATWEEL or (category in ("Mn", "Me", "Cf", "Cc") and char != "\n"):
        return ""
    return " " if category == "Zs" else char


@lru_cache(maxsize=1)
def _table() -> tuple[np.ndarray, np.ndarray, dict[int, np.ndarray], np.ndarray]:
    """For each code point of the basic plane: how many characters it becomes, which (if one), which (if several),
    and whether it is a mark that belongs to the letter before it."""
    count = np.ones(_PLANE, dtype=np.int8)
    single = np.arange(_PLANE, dtype=np.uint32)
    several: dict[int, np.ndarray] = {}
    mark = np.zeros(_PLANE, dtype=bool)
    forms = set(_PRESENTATION)
    for code in range(_PLANE):
        char = chr(code)
        source = unicodedata.normalize("NFKC", char) if code in forms else char
        target = "".join(map(_replacement, source))
        mark[code] = char == _TATWEEL or unicodedata.category(char) in ("Mn", "Me")
        count[code] = len(target)
        if len(target) == 1:
            single[code] = ord(target)
        elif target:
            several[code] = np.array([ord(c) for c in target], dtype=np.uint32)
    return count, single, several, mark


def clean(raw: str) -> Text:
    """Clean `raw` for reading by a model, keeping the way back to it.

    Drops diacritics, tatweel, bidirectional and zero-width marks and control characters; turns presentation forms
    into letters, Arabic-Indic digits into 0-9, every kind of space into a blank, of line end into a newline, and the
    many quotation marks and dashes into one each. `clean(clean(x).clean).clean == clean(x).clean`.

    >>> clean("في ﻋﺎﻡ ٢٠٢٣\\r\\n").clean
    'في عام 2023\\n'
    """
    count, single, several, mark = _table()
    codes = np.frombuffer(raw.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    beyond = codes >= _PLANE
    low = np.where(beyond, 0, codes)
    counts = np.where(beyond, 1, count[low])
    counts[(codes >= 0xE0000) & (codes <= 0xE0FFF)] = 0  # invisible tags and variation selectors
    crlf = np.flatnonzero(codes[:-1] == 0x0D)
    counts[crlf[codes[crlf + 1] == 0x0A]] = 0
    source = np.repeat(np.arange(len(codes)), counts)
    out = np.where(beyond, codes, single[low])[source]
    if counts.max(initial=0) > 1:
        first = np.cumsum(counts) - counts
        for at in np.flatnonzero(counts > 1):
            out[first[at] : first[at] + counts[at]] = several[int(codes[at])]
    is_mark = np.append(np.where(beyond, False, mark[low]), False)
    stops = np.where(is_mark, len(codes), np.arange(len(codes) + 1))  # where a run of marks is over
    stops = np.minimum.accumulate(stops[::-1])[::-1]
    return Text(
        raw=raw,
        clean=out.astype("<u4").tobytes().decode("utf-32-le"),
        starts=source.astype(np.int32),
        ends=stops[source + 1].astype(np.int32),
    )


@lru_cache(maxsize=100_000)
def clean_surface(raw: str) -> str:
    """The clean form of a short string, remembered: a corpus has few surfaces beside its many mentions.

    >>> clean_surface("مُحمّد")
    'محمد'
    """
    return clean(raw).clean


def flat_surface(raw: str) -> str:
    """The clean form of a name or trigger on one line, with single blanks.

    >>> flat_surface("بيروت \\n الكبرى")
    'بيروت الكبرى'
    """
    return " ".join(clean_surface(raw).split())


def word_spans(text: str) -> list[tuple[int, int]]:
    """The words of a clean text as offsets: runs of letters, runs of digits, single marks.

    >>> word_spans("بلغ 12.5%")
    [(0, 3), (4, 6), (6, 7), (7, 8), (8, 9)]
    """
    return [match.span() for match in WORD.finditer(text)]


@lru_cache(maxsize=1)
def _proclitics() -> tuple[str, ...]:
    return tuple(sorted(schema().proclitics, key=len, reverse=True))


def proclitic_length(word: str) -> int:
    """How many letters of the lexicon's proclitics stand before a lexicon name in `word` (0 where it is unsure).

    The lexicon is `names` in schema.yaml.

    >>> proclitic_length("وموسكو"), proclitic_length("للصين"), proclitic_length("وائل")
    (1, 1, 0)
    """
    names = schema().names
    if word in names:
        return 0
    for proclitic in _proclitics():
        rest = word[len(proclitic) :]
        if word.startswith(proclitic) and (rest in names or (proclitic[-1] == "ل" and "ا" + rest in names)):
            return len(proclitic)
    return 0


def restore_alef(surface: str, before: str) -> str:
    """The dictionary form of a clean surface that follows the letters `before` of its word.

    After the preposition ل the article loses its alef in writing; names that begin with ل themselves stay.

    >>> restore_alef("لصين", "ل"), restore_alef("لبنان", "ل"), restore_alef("موسكو", "و")
    ('الصين', 'لبنان', 'موسكو')
    """
    first = surface.split(" ", 1)[0]
    if before.endswith("ل") and surface.startswith("ل") and first not in schema().names:
        return "ا" + surface
    return surface
