"""One interface, two engines: `onnx` (the default, no torch) and `torch` (any checkpoint, GPU).

Takes batches of token ids and pairs of word vectors; gives logits as numpy arrays. Knows nothing of texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from arnews.encode import Batch


@dataclass(frozen=True, slots=True, eq=False)
class WordLogits:
    """Outputs for N words, float32: `entity` (N, labels * 3), `trigger` (N, 1 + 2 * types), `modality` (N, 4),
    `proclitic` (N, 1 + longest), `hidden` (N, width)."""

    entity: np.ndarray
    trigger: np.ndarray
    modality: np.ndarray
    proclitic: np.ndarray
    hidden: np.ndarray

    def parts(self) -> tuple[np.ndarray, ...]:
        """The arrays in their order."""
        return self.entity, self.trigger, self.modality, self.proclitic, self.hidden


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """P pairs of a trigger and an entity: `trigger`, `first`, `last` (P, width) float32 word vectors; `kind`,
    `label`, `distance` (P,) int64."""

    trigger: np.ndarray
    first: np.ndarray
    last: np.ndarray
    kind: np.ndarray
    label: np.ndarray
    distance: np.ndarray


class Runtime(Protocol):
    """What the tagger needs of an engine; both methods may be called from several threads."""

    def words(self, batch: Batch) -> WordLogits:
        """The logits of a batch's words."""

    def links(self, pairs: Pairs) -> np.ndarray:
        """Role logits, index 0 for none: (P, 1 + roles)."""
