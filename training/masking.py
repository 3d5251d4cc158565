"""What a step of pretraining reads: sequences of the packed corpus, with whole words masked.

Takes the packed tokens; gives tensors. Every draw depends on the seed and the step alone, so a run that was killed goes
on as if it had not been. Knows nothing of the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from training.tokens import word_starts

if TYPE_CHECKING:
    from training.pretrain import PretrainConfig


class Masker:
    """Draws sequences and whole-word masks."""

    def __init__(self, config: PretrainConfig, tokenizer: PreTrainedTokenizerFast, tokens: np.ndarray) -> None:
        self.config, self.tokens = config, tokens
        self.starts = word_starts(tokenizer)
        self.special = np.zeros(len(tokenizer), dtype=bool)
        self.special[tokenizer.all_special_ids] = True
        self.starts |= self.special
        self.cls, self.sep = tokenizer.cls_token_id, tokenizer.sep_token_id
        self.mask, self.vocabulary = tokenizer.mask_token_id, len(tokenizer)
        self.body = config.sequence_length - 2
        blocks = len(tokens) // self.body
        self.held_out = max(1, round(blocks * config.held_out))
        self.training = blocks - self.held_out
        if self.training < 1:
            raise ValueError(f"{len(tokens)} tokens do not fill two sequences of {self.body}: give more text")

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The ids (B, L), the mask of chosen places (B, L), and the words to restore (chosen,) of a step."""
        size = self.config.batch_size
        epoch, place = divmod(step * size, self.training)
        order = np.random.default_rng((self.config.seed, epoch)).permutation(self.training)[place : place + size]
        if len(order) < size:
            following = np.random.default_rng((self.config.seed, epoch + 1)).permutation(self.training)
            order = np.concatenate([order, following[: size - len(order)]])
        return self.masked(order, np.random.default_rng((self.config.seed, epoch, step)))

    def held_out_batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """At most 512 sequences of the held-out tail, always masked alike."""
        rows = np.arange(self.training, self.training + min(self.held_out, 512))
        for number, part in enumerate(np.array_split(rows, max(1, len(rows) // self.config.batch_size))):
            yield self.masked(part, np.random.default_rng((0, number)))

    def masked(self, blocks: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        columns = blocks[:, None] * self.body + np.arange(self.body)
        ids = np.pad(self.tokens[columns].astype(np.int64), ((0, 0), (1, 1)))
        ids[:, 0], ids[:, -1] = self.cls, self.sep
        word = np.cumsum(self.starts[ids], axis=1) - 1  # a word's pieces share a number, and so a draw
        draw = np.take_along_axis(rng.random(ids.shape), word, axis=1)
        chosen = (draw < self.config.mask_rate) & ~self.special[ids]
        chosen[0, 1] |= not chosen.any()
        gold = ids[chosen]
        kind = np.take_along_axis(rng.random(ids.shape), word, axis=1)[chosen]
        ids[chosen] = np.where(
            kind < 0.8, self.mask, np.where(kind < 0.9, rng.integers(self.vocabulary, size=gold.shape), gold)
        )
        return torch.from_numpy(ids), torch.from_numpy(chosen), torch.from_numpy(gold)
