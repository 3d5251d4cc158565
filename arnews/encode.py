"""Words into subwords, windows into batches.

Takes words and windows; gives batches of token ids with the place of each word's first and last subword. Nothing is
truncated: a text of any length becomes more windows. Knows nothing of what the network does with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from arnews.segment import Window

# A word is read by at most this many subwords, so that it fits into any window; real words have fewer than 20.
MAX_PIECES = 64
# The cache of words is emptied when it holds this many: some 100 MB, and years of news.
CACHE_LIMIT = 500_000
# Sequences are padded to a multiple of this, so that memory is asked for in few sizes.
LENGTH_STEP = 4


class WordEncoder:
    """Subword ids of single words, remembered: Arabic news repeats its words.

    Safe to share between threads: the tokenizer's settings are fixed here once, and never changed by a call.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._cache: dict[str, np.ndarray] = {}
        unknown = tokenizer.encode("\ufffd", add_special_tokens=False).ids
        named = [tokenizer.token_to_id(name) for name in ("[UNK]", "<unk>")]
        self._unknown = np.array((unknown or [i for i in named if i is not None] or [0])[:1], dtype=np.int64)

    def __call__(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The subword ids of all words in one row (int64), and how many each word has: (words,), at least one."""
        cache = self._cache
        rows = [cache.get(word) for word in words]
        if any(row is None for row in rows):
            missing = list({word for word, row in zip(words, rows, strict=True) if row is None})
            encoded = self._tokenizer.encode_batch_fast(
                [[word] for word in missing], is_pretokenized=True, add_special_tokens=False
            )
            fresh = {
                word: np.array(e.ids[:MAX_PIECES], dtype=np.int64) if e.ids else self._unknown
                for word, e in zip(missing, encoded, strict=True)
            }
            rows = [fresh[word] if row is None else row for word, row in zip(words, rows, strict=True)]
            if len(cache) + len(fresh) > CACHE_LIMIT:
                cache.clear()
            cache.update(fresh)
        found = [row for row in rows if row is not None]
        if not found:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        return np.concatenate(found), np.fromiter(map(len, found), dtype=np.int64, count=len(found))


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A batch for the network: B sequences of T tokens, with N words in all.

    `ids`, `mask`: (B, T) int64. `first`, `last`: (N,) int64, places of each word's first and last subword in the
    flattened (B * T). `words`: (N,) int64, where a word's outputs go; -1 for a word that is context here.
    """

    ids: np.ndarray
    mask: np.ndarray
    first: np.ndarray
    last: np.ndarray
    words: np.ndarray

    def feeds(self) -> dict[str, np.ndarray]:
        """The network's inputs by name."""
        return {"ids": self.ids, "mask": self.mask, "first": self.first, "last": self.last}

    def halves(self) -> tuple[Batch, Batch]:
        """The first and the second half of its sequences, of which there are two at least."""
        rows, width = self.ids.shape
        half = rows // 2
        cut = int(np.searchsorted(self.first, half * width))  # words stand in the order of their places
        return (
            Batch(self.ids[:half], self.mask[:half], self.first[:cut], self.last[:cut], self.words[:cut]),
            Batch(
                self.ids[half:], self.mask[half:], self.first[cut:] - half * width, self.last[cut:] - half * width,
                self.words[cut:],
            ),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Special:
    """The ids around and after every sequence."""

    cls: int
    sep: int
    pad: int


def batches(
    pieces: np.ndarray, counts: np.ndarray, spans: Sequence[Window], special: Special, budget: int
) -> Iterator[Batch]:
    """Batches of at most `budget` tokens, padding included, from windows over one row of words.

    `pieces`, `counts`: what `WordEncoder` gave; the windows' word numbers count along it. Windows of like length go
    together, so little is padding; a single window over the budget is a batch of its own.
    """
    before = np.concatenate([[0], np.cumsum(counts)])
    first = np.array([w.first for w in spans], dtype=np.int64)
    last = np.array([w.last for w in spans], dtype=np.int64)
    lengths = before[last] - before[first] + 2
    order = np.argsort(-lengths, kind="stable")
    at = 0
    while at < len(order):
        width = -int(-lengths[order[at]] // LENGTH_STEP) * LENGTH_STEP
        rows = order[at : at + max(1, budget // width)]
        at += len(rows)
        yield _batch(pieces, before, [spans[i] for i in rows], special, width)


def _batch(pieces: np.ndarray, before: np.ndarray, spans: list[Window], special: Special, width: int) -> Batch:
    ids = np.full((len(spans), width), special.pad, dtype=np.int64)
    mask = np.zeros((len(spans), width), dtype=np.int64)
    firsts, lasts, places = [], [], []
    for row, window in enumerate(spans):
        start, stop = before[window.first], before[window.last]
        length = stop - start + 2
        ids[row, 0], ids[row, length - 1] = special.cls, special.sep
        ids[row, 1 : length - 1] = pieces[start:stop]
        mask[row, :length] = 1
        base = row * width + 1 - start
        firsts.append(before[window.first : window.last] + base)
        lasts.append(before[window.first + 1 : window.last + 1] - 1 + base)
        place = np.arange(window.first, window.last, dtype=np.int64)
        place[: window.keep_first - window.first] = -1
        place[window.keep_last - window.first :] = -1
        places.append(place)
    return Batch(ids, mask, np.concatenate(firsts), np.concatenate(lasts), np.concatenate(places))
