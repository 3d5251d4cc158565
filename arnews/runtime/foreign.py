"""A plain Hugging Face token classifier as a network of ours: entities in one layer, no events.

Takes a checked folder; gives a module with the outputs of `NewsModel`. Needs the torch extra. Knows nothing of texts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification
from transformers.utils import logging as hf_logging

from arnews.errors import ModelError
from arnews.folder import CONFIG, WEIGHTS, Folder, bio_labels
from arnews.model import Words, check_loaded


class TokenClassifier(nn.Module):
    """Reads each word at its first subword, as such models are trained to."""

    def __init__(self, folder: Folder) -> None:
        super().__init__()
        if not (folder.path / WEIGHTS).exists():
            raise ModelError(f"{folder.path / WEIGHTS} is missing: a model folder needs its weights")
        hf_logging.set_verbosity_error()
        try:
            self.model, report = AutoModelForTokenClassification.from_pretrained(
                folder.path, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
        except Exception as error:  # the loaders raise many kinds, the Rust side one of its own
            raise ModelError(f"{folder.path} is damaged or of an unknown kind ({error}): copy it again") from error
        check_loaded(str(folder.path), self.model, report)
        tags = bio_labels(folder.encoder, folder.path / CONFIG)
        wanted = ["O", *(f"{prefix}-{label}" for label in folder.config.entities for prefix in "BI")]
        self.register_buffer("columns", torch.tensor([tags.index(tag) for tag in wanted]), persistent=False)

    def forward(self, ids: Tensor, mask: Tensor, first: Tensor, last: Tensor) -> Words:
        """`ids`, `mask`: (B, T); `first`, `last`: (N,) places in B * T. Entity logits are (N, 1 + 2 * labels)."""
        logits = self.model(input_ids=ids, attention_mask=mask).logits  # (B, T, tags)
        rows = logits.reshape(-1, logits.shape[-1]).index_select(0, first)
        none = rows.new_zeros(len(rows), 1)
        return Words(rows.index_select(1, self.columns), none, none[:, :0], none, none)

    def links(self, *inputs: Tensor) -> Tensor:
        """Never asked for: there are no triggers."""
        raise NotImplementedError("a token classifier has no events")
