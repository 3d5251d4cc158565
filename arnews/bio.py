"""Spans and B/I/O tags: the only place that knows BIO.

Takes spans or tag probabilities of words; gives tags or spans as word ranges. Tags of one layer: O=0, B=1, I=2; of a
layer with several types: O=0, B-k=1+2k, I-k=2+2k. Knows nothing of texts or labels' names.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

VITERBI_BATCH = 256  # paths searched at once: bounds the memory, whatever the text


def tags_from_spans(spans: Iterable[tuple[int, int, int]], words: int) -> np.ndarray:
    """The tags of one layer from `(first, last, type)` spans that do not overlap: (words,) int64.

    >>> tags_from_spans([(1, 3, 0), (3, 4, 1)], 5).tolist()
    [0, 1, 2, 3, 0]
    """
    tags = np.zeros(words, dtype=np.int64)
    for first, last, kind in spans:
        tags[first] = 1 + 2 * kind
        tags[first + 1 : last] = 2 + 2 * kind
    return tags


def spans_from_tags(tags: np.ndarray, breaks: np.ndarray) -> np.ndarray:
    """The spans of legal tags: (spans, 3) of first, last, type.

    `breaks`: (words,) bool, true at each sentence's first word.

    >>> spans_from_tags(np.array([0, 1, 2, 3, 0]), np.array([1, 0, 0, 0, 0], bool)).tolist()
    [[1, 3, 0], [3, 4, 1]]
    """
    if not len(tags):
        return np.zeros((0, 3), dtype=np.int64)
    first = np.flatnonzero(tags % 2 == 1)
    inside = (tags > 0) & (tags % 2 == 0) & ~breaks
    stop = np.append(np.flatnonzero(~inside), len(tags))  # where a run of insides cannot go on
    last = stop[np.searchsorted(stop, first + 1, side="left")]
    return np.stack([first, last, (tags[first] - 1) // 2], axis=1)


def legal_tags(scores: np.ndarray, breaks: np.ndarray) -> np.ndarray:
    """The legal tag path with the highest sum of scores, for each layer in each sentence: (words, layers) int64.

    `scores`: (words, layers, 1 + 2 * types) log-probabilities; `breaks` as above. An I-k follows B-k or I-k only.
    Where each word's best tag makes a legal path that path is the answer; Viterbi runs for the others alone.
    """
    scores = np.nan_to_num(scores.astype(np.float64), nan=-1e30, posinf=1e30, neginf=-1e30)
    tags = scores.argmax(axis=2)
    if not len(tags):
        return np.asarray(tags)
    before = np.concatenate([np.zeros_like(tags[:1]), tags[:-1]])
    before[breaks] = 0
    inside = (tags > 0) & (tags % 2 == 0)
    words, layers = np.nonzero(inside & (before != tags) & (before != tags - 1))
    starts = np.append(np.flatnonzero(breaks), len(tags))
    broken = np.unique(np.stack([np.searchsorted(starts, words, side="right") - 1, layers], axis=1), axis=0)
    lengths = np.diff(starts)[broken[:, 0]]
    broken, lengths = broken[np.argsort(lengths)], np.sort(lengths)
    for at in range(0, len(broken), VITERBI_BATCH):
        part, length = broken[at : at + VITERBI_BATCH], lengths[at : at + VITERBI_BATCH]
        step = np.arange(length.max())
        rows = starts[part[:, 0]][:, None] + np.minimum(step, length[:, None] - 1)  # (paths, steps)
        padded = scores[rows, part[:, 1][:, None]]
        padded[step >= length[:, None]] = 0.0  # beyond the end every tag is as good
        path = _viterbi(padded)
        real = step < length[:, None]
        tags[rows[real], np.broadcast_to(part[:, 1][:, None], rows.shape)[real]] = path[real]
    return np.asarray(tags)


def _viterbi(scores: np.ndarray) -> np.ndarray:
    """The best legal paths: (paths, steps, tags) to (paths, steps)."""
    paths, steps, states = scores.shape
    inside = np.arange(2, states, 2)
    total = scores[:, 0].copy()
    total[:, inside] = -np.inf
    back = np.zeros((paths, steps, states), dtype=np.int16)
    for t in range(1, steps):
        best = total.argmax(axis=1)
        back[:, t] = best[:, None]
        reached = np.repeat(np.take_along_axis(total, best[:, None], axis=1), states, axis=1)
        from_begin = total[:, inside - 1] >= total[:, inside]
        back[:, t, inside] = np.where(from_begin, inside - 1, inside)
        reached[:, inside] = np.maximum(total[:, inside - 1], total[:, inside])
        total = reached + scores[:, t]
    path = np.zeros((paths, steps), dtype=np.int64)
    path[:, -1] = total.argmax(axis=1)
    for t in range(steps - 1, 0, -1):
        path[:, t - 1] = np.take_along_axis(back[:, t], path[:, t, None], axis=1)[:, 0]
    return path
