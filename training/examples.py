"""Gold documents as training examples: one window of words with the targets of every head.

Takes labelled documents and a word encoder; gives arrays. A target of -100 is not scored: a label that the set does
not annotate, a word of unknown label, a modality where there is no trigger.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from arnews.bio import tags_from_spans
from arnews.datasets import UNKNOWN, LabelledDocument
from arnews.decode import distance_bucket
from arnews.encode import Batch, Special, WordEncoder, batches
from arnews.evaluate import word_range
from arnews.folder import ModelConfig
from arnews.segment import Window, windows
from arnews.tagger import read

IGNORED = -100


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A window of W words, L labels, P pairs. `either`: (W, L) bool, the labels of which one is meant, and
    `either_tag` (W,) its tag (0: none). `pairs`: (P, 6) trigger word, type, entity's first and last word, label, role.
    """

    name: str  # the document's
    pieces: np.ndarray  # (subwords,)
    counts: np.ndarray  # (W,) subwords of each word
    entity: np.ndarray  # (W, L) tags
    either: np.ndarray
    either_tag: np.ndarray
    trigger: np.ndarray  # (W,)
    modality: np.ndarray  # (W,)
    proclitic: np.ndarray  # (W,)
    pairs: np.ndarray


def examples(labelled: LabelledDocument, encode: WordEncoder, config: ModelConfig) -> list[Example]:
    """The windows of a document, each with its targets."""
    out = []
    document = labelled.document
    for part in read(document.text):
        words = np.array(part.words, dtype=np.int64).reshape(-1, 2)
        if not len(words):
            continue
        pieces, counts = encode([part.text.clean[a:b] for a, b in part.words])
        before = np.concatenate([[0], np.cumsum(counts)])
        first_char, last_char = part.text.to_raw(words[0, 0], words[-1, 1])
        inside = [e for e in document.entities if first_char <= e.start < last_char]
        ranges = {id(e): word_range(part.text, words, e.start, e.end) for e in inside}
        sentence = np.repeat(np.arange(len(part.sentences)), [b - a for a, b in part.sentences])
        targets = _Targets(labelled, config, len(words))
        for entity in inside:
            targets.add_entity(entity.label, *ranges[id(entity)])
        for name in config.entities:
            targets.write_layer(name)
        pairs = []
        for event in document.events:
            if not first_char <= event.start < last_char or event.type not in config.events:
                continue
            first, last, cut = word_range(part.text, words, event.start, event.end)
            targets.add_event(event.type, event.modality, first, last, cut)
            roles = {id(a.entity): a.role for a in event.arguments}
            for entity in inside:
                start, stop, _ = ranges[id(entity)]
                if entity.label in config.entities and sentence[start] == sentence[first]:
                    role = 1 + config.roles.index(roles[id(entity)]) if id(entity) in roles else 0
                    kind, label = config.events.index(event.type), config.entities.index(entity.label)
                    pairs.append((first, kind, start, stop - 1, label, role))
        table = np.array(pairs, dtype=np.int64).reshape(-1, 6)
        for w in windows(part.sentences, counts, config.window - 2):
            out.append(targets.window(w, pieces[before[w.first] : before[w.last]], counts, table))
    return out


class _Targets:
    """The targets of all words of a part, filled span by span."""

    def __init__(self, labelled: LabelledDocument, config: ModelConfig, words: int) -> None:
        self.name, self.config, self.words = labelled.id, config, words
        self.entity = np.full((words, len(config.entities)), IGNORED, dtype=np.int64)
        self.spans: dict[str, list[tuple[int, int, int]]] = {label: [] for label in labelled.annotates}
        self.unknown = np.zeros(words, dtype=bool)
        self.either = np.zeros((words, len(config.entities)), dtype=bool)
        self.either_tag = np.zeros(words, dtype=np.int64)
        self.trigger = np.full(words, 0 if labelled.events else IGNORED, dtype=np.int64)
        self.modality = np.full(words, IGNORED, dtype=np.int64)
        self.proclitic = np.full(words, IGNORED, dtype=np.int64)

    def add_entity(self, label: str, first: int, last: int, cut: int) -> None:
        self.proclitic[first] = cut if cut <= self.config.proclitic else 0
        if label == UNKNOWN:
            self.unknown[first:last] = True
        elif "/" in label:
            columns = [self.config.entities.index(part) for part in label.split("/")]
            self.either[first:last, columns] = True
            self.either_tag[first:last] = tags_from_spans([(0, last - first, 0)], last - first)
        elif label in self.spans:
            self.spans[label].append((first, last, 0))

    def write_layer(self, label: str) -> None:
        """The tags of one label; of spans of one label inside each other the outer one is kept."""
        if label not in self.spans:
            return
        kept: list[tuple[int, int, int]] = []
        for span in sorted(self.spans[label], key=lambda s: (s[0], -s[1])):
            if not kept or span[0] >= kept[-1][1]:
                kept.append(span)
        column = self.config.entities.index(label)
        self.entity[:, column] = tags_from_spans(kept, self.words)
        self.entity[self.unknown | self.either[:, column], column] = IGNORED

    def add_event(self, kind: str, modality: str, first: int, last: int, cut: int) -> None:
        number = self.config.events.index(kind)
        self.trigger[first:last] = tags_from_spans([(0, last - first, number)], last - first)
        self.modality[first] = self.config.modalities.index(modality)
        self.proclitic[first] = cut if cut <= self.config.proclitic else 0

    def window(self, w: Window, pieces: np.ndarray, counts: np.ndarray, pairs: np.ndarray) -> Example:
        rows = slice(w.first, w.last)
        inside = (pairs[:, [0, 2, 3]] >= w.first).all(axis=1) & (pairs[:, [0, 2, 3]] < w.last).all(axis=1)
        moved = pairs[inside].copy()
        moved[:, [0, 2, 3]] -= w.first
        return Example(
            self.name, pieces, counts[rows], self.entity[rows], self.either[rows], self.either_tag[rows],
            self.trigger[rows], self.modality[rows], self.proclitic[rows], moved,
        )  # fmt: skip


class Collator:
    """Examples into one padded batch of tensors, with the names of their documents."""

    def __init__(self, special: Special) -> None:
        self.special = special

    def __call__(self, items: Sequence[Example]) -> dict[str, torch.Tensor | list[str]]:
        counts = np.concatenate([e.counts for e in items])
        sizes = [len(e.counts) for e in items]
        base = np.concatenate([[0], np.cumsum(sizes)])
        spans = [Window(int(a), int(b), int(a), int(b)) for a, b in itertools.pairwise(base)]
        pieces = np.concatenate([e.pieces for e in items])
        batch: Batch = next(batches(pieces, counts, spans, self.special, budget=2**31))
        order = batch.words  # the batch has the windows by length: put the targets in the same order
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        pairs = np.concatenate([e.pairs + np.array([b, 0, b, b, 0, 0]) for e, b in zip(items, base[:-1], strict=True)])
        pairs[:, [0, 2, 3]] = place[pairs[:, [0, 2, 3]]]
        distance = distance_bucket(pairs[:, 2] - pairs[:, 0])
        arrays = {
            "ids": batch.ids, "mask": batch.mask, "first": batch.first, "last": batch.last,
            "pairs": np.column_stack([pairs, distance]),
        }  # fmt: skip
        for name in ("entity", "either", "either_tag", "trigger", "modality", "proclitic"):
            arrays[name] = np.concatenate([getattr(e, name) for e in items])[order]
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
        return {"names": [e.name for e in items], **tensors}
