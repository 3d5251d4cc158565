"""Logits into entities and events.

Takes the logits of the words of some documents; gives `Document`s: legal tag paths, scores, proclitics cut, spans
that nest, argument links. Knows nothing of subwords, windows or batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arnews.bio import legal_tags, spans_from_tags
from arnews.document import Argument, Document, Entity, Event
from arnews.folder import ModelConfig
from arnews.runtime import Pairs, Runtime, WordLogits
from arnews.schema import schema
from arnews.text import Text, proclitic_length, restore_alef

# Marks that no span starts or ends on; %, $, #, @ and a minus before a number belong to spans.
_NOT_FIRST = frozenset("،؛:.!؟?,;)]}\"'/|…")
_NOT_LAST = frozenset("،؛:.!؟?,;([{\"'/|…-")
# Pairs of a trigger and an entity are scored this many at a time, which bounds the memory of hostile texts.
PAIR_CHUNK = 8192


@dataclass(frozen=True, slots=True, eq=False)
class ReadText:
    """A cleaned text, or a part of a long one: its words (clean offsets) and sentences (ranges of these words).

    `final`: no further part of the same text follows.
    """

    text: Text
    words: list[tuple[int, int]]
    sentences: list[tuple[int, int]]
    final: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Spans in the row of words of all documents: `first`, `last` word (exclusive), `kind`, `score`, `cut` letters."""

    first: np.ndarray
    last: np.ndarray
    kind: np.ndarray
    score: np.ndarray
    cut: np.ndarray

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: np.ndarray) -> Spans:
        return Spans(self.first[rows], self.last[rows], self.kind[rows], self.score[rows], self.cut[rows])


def distance_bucket(distance: np.ndarray) -> np.ndarray:
    """Signed distances in words as 16 buckets, finer where near: 0-7 before the trigger, 8-15 after it.

    >>> distance_bucket(np.array([-40, -1, 0, 1, 3, 100])).tolist()
    [2, 7, 8, 8, 9, 14]
    """
    size = np.minimum(np.floor(np.log2(np.maximum(np.abs(distance), 1))), 7).astype(np.int64)
    return np.asarray(np.where(distance < 0, 7 - size, 8 + size))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis; whatever the logits are, the result is finite."""
    logits = np.nan_to_num(logits.astype(np.float32), nan=-1e9, posinf=1e9, neginf=-1e9)
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def sentence_breaks(texts: Sequence[ReadText]) -> np.ndarray:
    """Over the words of all documents in a row, true at each sentence's first: (words,) bool."""
    breaks = np.zeros(sum(len(t.words) for t in texts), dtype=bool)
    base = 0
    for text in texts:
        breaks[[base + start for start, _ in text.sentences]] = True
        base += len(text.words)
    return breaks


def find_spans(logits: WordLogits, breaks: np.ndarray, cuts: np.ndarray, config: ModelConfig) -> tuple[Spans, Spans]:
    """The entity spans of all layers and the trigger spans, with scores; `cuts`: letters to cut of each word."""
    if config.flat:
        return _typed_spans(logits.entity, breaks, cuts), Spans(*(np.zeros(0, dtype=np.int64),) * 5)
    layers = softmax(logits.entity.reshape(len(breaks), len(config.entities), 3))
    tags = legal_tags(np.log(layers + 1e-30), breaks)
    found = [spans_from_tags(tags[:, k], breaks) for k in range(tags.shape[1])]
    entities = np.concatenate([np.column_stack([f[:, :2], np.full(len(f), k)]) for k, f in enumerate(found)])
    picked = np.take_along_axis(layers, tags[:, :, None], axis=2)[:, :, 0]
    score = _means(picked, entities[:, 0], entities[:, 1], entities[:, 2])
    return (
        Spans(entities[:, 0], entities[:, 1], entities[:, 2], score, cuts[entities[:, 0]]),
        _typed_spans(logits.trigger, breaks, cuts),
    )


def _typed_spans(logits: np.ndarray, breaks: np.ndarray, cuts: np.ndarray) -> Spans:
    """The spans of one layer with several types: `logits` (words, 1 + 2 * types)."""
    tags_of = softmax(logits)
    tags = legal_tags(np.log(tags_of + 1e-30)[:, None], breaks)[:, 0]
    found = spans_from_tags(tags, breaks)
    chosen = np.take_along_axis(tags_of, tags[:, None], axis=1)
    score = _means(chosen, found[:, 0], found[:, 1], np.zeros(len(found), dtype=np.int64))
    return Spans(found[:, 0], found[:, 1], found[:, 2], score, cuts[found[:, 0]])


def _means(values: np.ndarray, first: np.ndarray, last: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The mean of `values[first:last, column]` for each span."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    return np.asarray(np.clip((total[last, column] - total[first, column]) / (last - first), 0.0, 1.0))


def nested(spans: Spans) -> np.ndarray:
    """The rows of spans that are kept so that none cross and no two are the same, in reading order, outer first."""
    order = np.lexsort((spans.score, -spans.last, spans.first))
    kept: list[int] = []
    dropped: set[int] = set()
    opened: list[int] = []  # kept spans around the current one
    first, last, score = spans.first.tolist(), spans.last.tolist(), spans.score.tolist()
    for row in order.tolist():
        while opened and last[opened[-1]] <= first[row]:
            opened.pop()
        rivals = [o for o in opened if last[o] < last[row] or (first[o], last[o]) == (first[row], last[row])]
        if rivals and max(score[o] for o in rivals) > score[row]:
            continue
        if rivals:
            dropped.update(rivals)
            opened = [o for o in opened if o not in dropped]
        kept.append(row)
        opened.append(row)
    return np.array([row for row in kept if row not in dropped], dtype=np.int64)


def trimmed(spans: Spans, texts: Sequence[ReadText], cuts: np.ndarray) -> Spans:
    """The spans without the marks that they start or end on; what is nothing but marks is dropped.

    `cuts`: (words,) letters to cut of each word, so that spans which start on one word lose the same letters.
    """
    marks = [(t.text.clean[a] if b - a == 1 else "") for t in texts for a, b in t.words]
    first, last = spans.first.tolist(), spans.last.tolist()
    for i in range(len(spans)):
        while first[i] < last[i] and marks[last[i] - 1] in _NOT_LAST:
            last[i] -= 1
        while first[i] < last[i] and marks[first[i]] in _NOT_FIRST:
            first[i] += 1
    start, stop = np.array(first, dtype=np.int64), np.array(last, dtype=np.int64)
    kept = np.flatnonzero(start < stop)
    start, stop = start[kept], stop[kept]
    return Spans(start, stop, spans.kind[kept], spans.score[kept], cuts[start])


def pair_up(entities: Spans, triggers: Spans, breaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of every trigger with every entity of its sentence: two arrays of one length."""
    sentence = np.cumsum(breaks)
    of_entity, of_trigger = sentence[entities.first], sentence[triggers.first]
    order = np.argsort(of_entity, kind="stable")
    left = np.searchsorted(of_entity[order], of_trigger, side="left")
    right = np.searchsorted(of_entity[order], of_trigger, side="right")
    counts = right - left
    trigger_rows = np.repeat(np.arange(len(triggers)), counts)
    offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return trigger_rows, order[np.repeat(left, counts) + offset]


def link(
    runtime: Runtime, hidden: np.ndarray, entities: Spans, triggers: Spans, breaks: np.ndarray
) -> list[tuple[int, int, int, float]]:
    """The argument links as (trigger row, entity row, role, score)."""
    of_trigger, of_entity = pair_up(entities, triggers, breaks)
    out: list[tuple[int, int, int, float]] = []
    for at in range(0, len(of_trigger), PAIR_CHUNK):
        t, e = of_trigger[at : at + PAIR_CHUNK], of_entity[at : at + PAIR_CHUNK]
        pairs = Pairs(
            trigger=hidden[triggers.first[t]],
            first=hidden[entities.first[e]],
            last=hidden[entities.last[e] - 1],
            kind=triggers.kind[t],
            label=entities.kind[e],
            distance=distance_bucket(entities.first[e] - triggers.first[t]),
        )
        roles = softmax(runtime.links(pairs))
        best = roles.argmax(axis=1)
        for row in np.flatnonzero(best).tolist():
            out.append((int(t[row]), int(e[row]), int(best[row]) - 1, float(roles[row, best[row]])))
    return out


def decode(
    texts: Sequence[ReadText],
    logits: WordLogits,
    runtime: Runtime,
    config: ModelConfig,
    read: np.ndarray,
    given_triggers: Spans | None = None,
    given_entities: Spans | None = None,
) -> list[Document]:
    """The documents of some texts whose words stand in one row. `read`: (words,) bool, which of them the model has
    read. The given spans replace those found, to measure what follows from them by itself."""
    breaks = sentence_breaks(texts)
    cuts = logits.proclitic.argmax(axis=1) if len(breaks) else np.zeros(0, dtype=np.int64)
    entities, triggers = (trimmed(spans, texts, cuts) for spans in find_spans(logits, breaks, cuts, config))
    if given_triggers is not None:
        triggers = given_triggers
    if given_entities is not None:
        entities = given_entities
    entities = entities.take(nested(entities))
    modality = logits.modality[triggers.first].argmax(axis=1) if len(triggers) else np.zeros(0, dtype=np.int64)
    links = link(runtime, logits.hidden, entities, triggers, breaks)
    entity_values, trigger_values = _locate(texts, entities), _locate(texts, triggers)
    named = [
        Entity(raw, config.entities[kind], start, end, score, name)
        for (raw, start, end, name), kind, score in zip(
            entity_values, entities.kind.tolist(), entities.score.tolist(), strict=True
        )
    ]
    arguments: list[list[Argument]] = [[] for _ in range(len(triggers))]
    for t, e, role, score in links:
        arguments[t].append(Argument(config.roles[role], named[e], score))
    events = [
        Event(raw, config.events[k], config.modalities[m], start, end, score, tuple(args))
        for (raw, start, end, _), k, m, score, args in zip(
            trigger_values, triggers.kind.tolist(), modality.tolist(), triggers.score.tolist(), arguments, strict=True
        )
    ]
    return _documents(texts, entities.first, named, triggers.first, events, read)


def _documents(
    texts: Sequence[ReadText],
    entity_words: np.ndarray,
    named: list[Entity],
    event_words: np.ndarray,
    events: list[Event],
    read: np.ndarray,
) -> list[Document]:
    """Deal the values out to their documents."""
    edges = np.concatenate([[0], np.cumsum([len(t.words) for t in texts])])
    entity_edges = np.searchsorted(entity_words, edges).tolist()
    event_edges = np.searchsorted(event_words, edges).tolist()
    out = []
    for i, text in enumerate(texts):
        to_raw, words = text.text.to_raw, text.words
        sentences = tuple(to_raw(words[a][0], words[b - 1][1]) for a, b in text.sentences)
        out.append(
            Document(
                text.text.raw,
                tuple(named[entity_edges[i] : entity_edges[i + 1]]),
                tuple(events[event_edges[i] : event_edges[i + 1]]),
                sentences,
                float(read[edges[i] : edges[i + 1]].mean()) if words else 1.0,
            )
        )
    return out


def _locate(texts: Sequence[ReadText], spans: Spans) -> list[tuple[str, int, int, str]]:
    """Raw surface, offsets and name of each span; spans are sorted by their first word."""
    proclitics = schema().proclitics
    edges = np.concatenate([[0], np.cumsum([len(t.words) for t in texts])])
    owner = (np.searchsorted(edges, spans.first, side="right") - 1).tolist()
    out = []
    for i, first, last, cut in zip(owner, spans.first.tolist(), spans.last.tolist(), spans.cut.tolist(), strict=True):
        text, words = texts[i].text, texts[i].words
        base = int(edges[i])
        word, (start, end) = words[first - base][0], (words[first - base][0], words[last - 1 - base][1])
        surface = text.clean[word : words[first - base][1]]
        if not cut or cut >= len(surface) or surface[:cut] not in proclitics:
            # The model sees none: known names still show theirs, and only ل before the article is written لل.
            cut = proclitic_length(surface) or int(surface.startswith("لل") and len(surface) > 3)
        start += cut
        name = restore_alef(" ".join(text.clean[start:end].split()), text.clean[word:start])
        raw_start, raw_end = text.to_raw(start, end)
        out.append((text.raw[raw_start:raw_end], raw_start, raw_end, name))
    return out
