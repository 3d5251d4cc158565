"""What an encoder is pretrained on: masked words, or replaced tokens found by the encoder (Clark et al. 2020).

Takes token ids with places to restore; gives the sum of losses. Knows nothing of files or of the optimiser.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, RoFormerConfig, RoFormerForMaskedLM

WEIGHT = 50.0  # of the discriminator's loss beside the generator's, as published


def masked_logits(model: PreTrainedModel, ids: Tensor, chosen: Tensor) -> Tensor:
    """The vocabulary logits of the chosen places only: (chosen, vocabulary); all of them would cost more than the
    encoder itself."""
    hidden = model.base_model(input_ids=ids)[0][chosen]  # (chosen, hidden)
    head = model.cls if hasattr(model, "cls") else model.lm_head
    logits: Tensor = head(hidden)
    return logits


class ReplacedTokens(nn.Module):
    """A generator of a quarter of the width fills the masked places; the encoder says of every token whether it was
    put there. Both share the token vectors. Only the encoder is kept."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.encoder = model
        self.generator = _generator(model)
        size = model.config.hidden_size
        self.head = nn.Sequential(nn.Linear(size, size), nn.GELU(), nn.Linear(size, 1))

    def forward(self, ids: Tensor, chosen: Tensor, gold: Tensor) -> tuple[Tensor, Tensor]:
        """The generator's losses (chosen,) and the encoder's (tokens,)."""
        logits = masked_logits(self.generator, ids, chosen).float()
        drawn = torch.multinomial(logits.detach().softmax(-1), 1)[:, 0]
        replaced = torch.zeros_like(chosen)
        replaced[chosen] = drawn != gold
        filled = ids.clone()
        filled[chosen] = drawn
        found = self.head(self.encoder.base_model(input_ids=filled)[0])[..., 0].float()
        generator = nn.functional.cross_entropy(logits, gold, reduction="none")
        encoder = nn.functional.binary_cross_entropy_with_logits(found, replaced.float(), reduction="none")
        return generator, encoder.flatten()


def _generator(encoder: PreTrainedModel) -> PreTrainedModel:
    """A network of as many layers and a quarter of the width, with the encoder's token vectors."""
    shape = encoder.config
    vectors = encoder.get_input_embeddings()
    generator = RoFormerForMaskedLM(
        RoFormerConfig(
            vocab_size=shape.vocab_size,
            embedding_size=vectors.embedding_dim,
            hidden_size=shape.hidden_size // 4,
            num_hidden_layers=shape.num_hidden_layers,
            num_attention_heads=max(1, shape.num_attention_heads // 4),
            intermediate_size=shape.intermediate_size // 4,
            hidden_dropout_prob=shape.hidden_dropout_prob,
            attention_probs_dropout_prob=shape.attention_probs_dropout_prob,
            max_position_embeddings=shape.max_position_embeddings,
            pad_token_id=shape.pad_token_id,
        )
    )
    generator.set_input_embeddings(vectors)
    generator.tie_weights()
    return generator


def mean_loss(model: nn.Module, ids: Tensor, chosen: Tensor, gold: Tensor, places: int, tokens: int) -> Tensor:
    """A part's share of the mean over the whole batch, which has so many chosen `places` and `tokens`."""
    if isinstance(model, ReplacedTokens):
        generator, encoder = model(ids, chosen, gold)
        loss: Tensor = generator.sum() / places + WEIGHT * encoder.sum() / tokens
        return loss
    logits = masked_logits(model, ids, chosen)
    return nn.functional.cross_entropy(logits.float(), gold, reduction="sum") / places


def restorer(model: nn.Module) -> PreTrainedModel:
    """The network that restores masked words: the encoder, or the generator beside it."""
    found = model.generator if isinstance(model, ReplacedTokens) else model
    assert isinstance(found, PreTrainedModel)
    return found


def kept(model: nn.Module) -> PreTrainedModel:
    """What is saved: the encoder, with its masked-word head where that was trained."""
    found = model.encoder.base_model if isinstance(model, ReplacedTokens) else model
    assert isinstance(found, PreTrainedModel)
    return found
