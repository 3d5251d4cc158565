"""Sentences, packed into windows.

Takes a clean text, its words, and how many subwords each has; gives sentences and windows as word ranges that cover
every word. Knows nothing of models beyond the number of subwords that a window may hold.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import numpy as np

# A line end, or a closing mark before a space; not the full stop of a single-letter abbreviation ("د. محمد").
_END = re.compile(r"\n|(?<![\s.][^\W\d_])[.!?؟]+[\"')\]]*(?=\s)|[!?؟]+[\"')\]]*(?=\s)")


# Text without an end of sentence is cut into pieces of this many words; the longest sentences of news have 200.
MAX_SENTENCE = 512


@dataclass(frozen=True, slots=True)
class Window:
    """The words `[first, last)` are read together; those in `[keep_first, keep_last)` are taken from this window,
    the others are context, which a neighbouring window gives."""

    first: int
    last: int
    keep_first: int
    keep_last: int


def sentence_bounds(text: str, words: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The sentences of a clean text as word ranges `[first, last)`; every word is in exactly one.

    >>> from arnews.text import word_spans
    >>> text = "وصل د. سامي أمس. ثم غادر\\nانتهى"
    >>> words = word_spans(text)
    >>> [text[words[a][0] : words[b - 1][1]] for a, b in sentence_bounds(text, words)]
    ['وصل د. سامي أمس.', 'ثم غادر', 'انتهى']
    """
    if not words:
        return []
    ends = np.array([match.end() for match in _END.finditer(text)], dtype=np.int64)
    starts = np.array([start for start, _ in words], dtype=np.int64)
    cuts = np.unique(np.concatenate([[0], np.searchsorted(starts, ends, side="left"), [len(words)]]))
    if (np.diff(cuts) > MAX_SENTENCE).any():
        pairs = itertools.pairwise(cuts)
        cuts = np.concatenate([*(np.arange(a, b, MAX_SENTENCE) for a, b in pairs), [len(words)]])
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))


def windows(sentences: list[tuple[int, int]], pieces: np.ndarray, limit: int) -> list[Window]:
    """Pack consecutive sentences into windows of at most `limit` subwords.

    `pieces`: (words,) subwords of each word, each at most `limit`. A sentence that is longer than a window is read in
    several, a quarter of a window overlapping on either side, and each word is kept where its context is wide.

    >>> windows([(0, 2), (2, 4), (4, 5)], np.array([2, 2, 2, 2, 2]), limit=8)
    [Window(first=0, last=4, keep_first=0, keep_last=4), Window(first=4, last=5, keep_first=4, keep_last=5)]
    """
    before = np.concatenate([[0], np.cumsum(pieces)])
    out: list[Window] = []
    first = last = 0
    for start, end in sentences:
        if before[end] - before[first] <= limit:
            last = end
            continue
        if last > first:
            out.append(Window(first, last, first, last))
        first = start
        if before[end] - before[start] > limit:
            out.extend(_split(start, end, before, limit))
            first = end
        last = end
    if last > first:
        out.append(Window(first, last, first, last))
    return out


def _split(start: int, end: int, before: np.ndarray, limit: int) -> list[Window]:
    """Overlapping windows over one long sentence; what two share is divided in its middle."""
    spans = [(start, start)]
    while spans[-1][1] < end:
        origin = spans[-1][0]
        if len(spans) > 1 or spans[-1][1] > start:
            back = before[spans[-1][1]] - limit // 2
            origin = max(origin + 1, int(np.searchsorted(before, back, side="left")))
        stop = int(np.searchsorted(before, before[origin] + limit, side="right")) - 1
        spans.append((origin, min(stop, end)))
    spans = spans[1:]
    edges = [start, *((a[1] + b[0]) // 2 for a, b in itertools.pairwise(spans)), end]
    return [Window(a, b, edges[i], edges[i + 1]) for i, (a, b) in enumerate(spans)]
