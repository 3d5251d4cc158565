"""What the heads are trained on: the sum of their losses, with what a set does not annotate left out.

Takes a batch of `training.examples.Collator`; gives a loss. Knows nothing of texts or of the optimiser.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from arnews.datasets import LabelledDocument
from arnews.errors import ConfigError
from arnews.model import NewsModel
from training.examples import IGNORED


def trigger_weights(sets: list[list[LabelledDocument]], kinds: Sequence[str], power: float) -> Tensor:
    """A weight for each trigger tag: its type's frequency to the power of `-power`, 1 for O and on average."""
    counts = Counter(e.type for documents in sets for d in documents for e in d.document.events)
    weights = torch.tensor([max(1, counts[kind]) ** -power for kind in kinds])
    total = torch.tensor([float(counts[kind]) for kind in kinds])
    weights *= total.sum() / (weights * total).sum().clamp(min=1e-9)
    return torch.cat([torch.ones(1), weights.repeat_interleave(2)])


def mask_token(tokenizer: Tokenizer) -> int:
    """The id of the token that the encoder was pretrained to see through."""
    found = [tokenizer.token_to_id(name) for name in ("[MASK]", "<mask>")]
    known = [i for i in found if i is not None]
    if not known:
        raise ConfigError("word_dropout: the encoder's tokenizer has no [MASK] or <mask>; set it to 0")
    return known[0]


class WordMask(nn.Module):
    """Whole words hidden at random, so that the heads learn to read the words around a name and not the name alone."""

    def __init__(self, share: float, token: int) -> None:
        super().__init__()
        self.share, self.token = share, token

    def forward(self, ids: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """`ids`: (B, T); `first`, `last`: (N,) places in B * T."""
        chosen = torch.rand(len(first), device=ids.device) < self.share
        edges = torch.zeros(ids.numel() + 1, dtype=torch.long, device=ids.device)
        edges.index_add_(0, first[chosen], torch.ones_like(first[chosen]))
        edges.index_add_(0, last[chosen] + 1, -torch.ones_like(last[chosen]))
        return ids.masked_fill((edges.cumsum(0)[:-1] > 0).view_as(ids), self.token)


class TrainingModel(nn.Module):
    """The network with the sum of its heads' losses, each times its weight (1 where none is given: `trigger`,
    `modality`, `link`); `masked` hides words of what it reads while training."""

    weights: Tensor

    def __init__(
        self,
        model: NewsModel,
        weights: Tensor,
        masked: WordMask | None = None,
        heads: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.heads = defaultdict(lambda: 1.0, heads or {})
        self.masked = masked
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, names: list[str], **batch: Tensor) -> dict[str, Tensor]:
        ids, first, last = batch["ids"], batch["first"], batch["last"]
        if self.masked and self.training:
            ids = self.masked(ids, first, last)
        out = self.model(ids, batch["mask"], first, last)
        words = len(out.entity)
        entity = out.entity.float().reshape(words, -1, 3)
        loss = _mean(entity.reshape(-1, 3), batch["entity"].reshape(-1)) * entity.shape[1]
        loss = loss + _either(entity.log_softmax(-1), batch["either"], batch["either_tag"])
        loss = loss + self.heads["trigger"] * _mean(out.trigger.float(), batch["trigger"], self.weights)
        for name in ("modality", "proclitic"):
            loss = loss + self.heads[name] * _mean(getattr(out, name).float(), batch[name])
        trigger, kind, start, stop, label, role, distance = batch["pairs"].unbind(1)
        if len(role):
            h = out.hidden
            logits = self.model.links(h[trigger], h[start], h[stop], kind, label, distance)
            loss = loss + self.heads["link"] * cross_entropy(logits.float(), role)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} on a batch of {', '.join(sorted(set(names)))}")
        return {"loss": loss}


def _mean(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross entropy over the targets that count; 0 where none does."""
    total = cross_entropy(logits, target, weights, ignore_index=IGNORED, reduction="sum")
    return total / (target != IGNORED).sum().clamp(min=1)


def _either(logp: Tensor, either: Tensor, tag: Tensor) -> Tensor:
    """Words that one of several labels covers, unknown which: -log of the probability that exactly one has the tag
    and the others are outside. `logp`: (W, L, 3), `either`: (W, L) bool, `tag`: (W,)."""
    rows = tag > 0
    if not bool(rows.any()):
        return logp.new_zeros(())
    logp, either, tag = logp[rows], either[rows], tag[rows]
    inside = logp.gather(2, tag[:, None, None].expand(-1, logp.shape[1], 1))[:, :, 0]
    outside = logp[:, :, 0]
    one = (inside - outside).masked_fill(~either, float("-inf")).logsumexp(1)
    return -(one + outside.masked_fill(~either, 0.0).sum(1)).sum() / len(either) * rows.float().mean()
