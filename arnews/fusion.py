"""An encoder's attention as single operators of ONNX Runtime, while a graph is being written.

Takes a network; patches it for the time of an export, so that the graph holds `MultiHeadAttention` and
`RotaryEmbedding` where torch has some twenty operators. What the graph then answers is checked against the network
by `arnews.export`. Knows nothing of training or texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.roformer.modeling_roformer import RoFormerModel, RoFormerSelfAttention

NAME = "arnews_fused"  # our attention in the register of transformers
_symbolic = torch.onnx.ops.symbolic


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, heads: int, scale: float | None = None) -> Tensor:
    """Attention over (B, T, width) vectors; `mask`: (B, T), 1 where a token is."""
    attributes: dict[str, Any] = {"num_heads": heads} | ({} if scale is None else {"scale": scale})
    inputs = [query, key, value, None, mask.to(torch.int32)]
    out: Tensor = _symbolic(
        "com.microsoft::MultiHeadAttention", inputs, attributes, dtype=query.dtype, shape=query.shape, version=1
    )
    return out


def rotate(vectors: Tensor, sin: Tensor, cos: Tensor, heads: int) -> Tensor:
    """Rotary positions on (B, T, width) vectors, pairs of neighbouring numbers turned together as RoFormer does."""
    inputs = [vectors, torch.zeros(1, dtype=torch.int64), cos.contiguous(), sin.contiguous()]
    attributes: dict[str, Any] = {"interleaved": 1, "num_heads": heads}
    out: Tensor = _symbolic(
        "com.microsoft::RotaryEmbedding", inputs, attributes, dtype=vectors.dtype, shape=vectors.shape, version=1
    )
    return out


class _Masked(nn.Module):
    """The network with its padding mask kept where the patched attention finds it."""

    def __init__(self, model: nn.Module, held: dict[str, Tensor]) -> None:
        super().__init__()
        self.model, self.held = model, held

    def forward(self, ids: Tensor, mask: Tensor, first: Tensor, last: Tensor) -> Any:
        self.held["mask"] = mask
        return self.model(ids, mask, first, last)


@contextmanager
def fused_attention(model: nn.Module, encoder: PreTrainedModel) -> Iterator[nn.Module]:
    """The network to export in the place of `model`. Encoders whose attention is not known stay as they are."""
    held: dict[str, Tensor] = {}
    before = encoder.config._attn_implementation
    patched: list[nn.Module] = []
    if isinstance(encoder, RoFormerModel) and not encoder.config.rotary_value:
        for module in encoder.modules():
            if isinstance(module, RoFormerSelfAttention):
                module.forward = _roformer(module, encoder.encoder.embed_positions.weight, held)
                patched.append(module)
    else:
        ALL_ATTENTION_FUNCTIONS.register(NAME, _interface(held))
        encoder.config._attn_implementation = NAME
    try:
        yield _Masked(model, held)
    finally:
        encoder.config._attn_implementation = before
        for module in patched:
            del module.forward


def _interface(held: dict[str, Tensor]) -> Any:
    def attention(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any = None,
        scaling: float | None = None, **_: Any,
    ) -> tuple[Tensor, None]:  # fmt: skip
        heads = query.shape[1]
        flat = [part.transpose(1, 2).flatten(2) for part in (query, key, value)]  # (B, T, width) of (B, heads, T, size)
        out = attend(flat[0], flat[1], flat[2], held["mask"], heads, scaling)
        return out.reshape(*out.shape[:2], heads, -1), None

    return attention


def _roformer(attention: RoFormerSelfAttention, table: Tensor, held: dict[str, Tensor]) -> Any:
    sin, cos = table.chunk(2, dim=-1)
    heads = attention.num_attention_heads

    def forward(hidden_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None]:
        query, key = (rotate(layer(hidden_states), sin, cos, heads) for layer in (attention.query, attention.key))
        return attend(query, key, attention.value(hidden_states), held["mask"], heads), None

    return forward
