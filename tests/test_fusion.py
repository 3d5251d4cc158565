"""Attention as one operator, for encoders that we know, and left as it is for others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    DebertaV2Config,
    DebertaV2Model,
    PreTrainedModel,
    RoFormerConfig,
    RoFormerModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from arnews.export import PARITY, quantize_static, write_graphs
from arnews.folder import GRAPH, open_folder
from arnews.model import NewsModel
from tests.conftest import make_model, model_config

SHAPE = dict(vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32)
ENCODERS = {
    "bert": lambda: BertModel(BertConfig(**SHAPE), add_pooling_layer=False),
    "xlm-roberta": lambda: XLMRobertaModel(XLMRobertaConfig(**SHAPE), add_pooling_layer=False),
    "roformer": lambda: RoFormerModel(RoFormerConfig(**SHAPE, embedding_size=16)),
    "deberta": lambda: DebertaV2Model(
        DebertaV2Config(**SHAPE, relative_attention=True, pos_att_type=["p2c", "c2p"], type_vocab_size=0)
    ),
}


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.mark.parametrize(("name", "fused"), [("bert", 2), ("xlm-roberta", 2), ("roformer", 2), ("deberta", 0)])
def test_graphs_answer_as_the_network_fused_or_not(name: str, fused: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder: PreTrainedModel = ENCODERS[name]()
    before = encoder.config._attn_implementation
    model = NewsModel(encoder, model_config(link_size=8)).eval()
    assert write_graphs(model, tmp_path) <= PARITY
    found = operators(tmp_path / GRAPH)
    assert found["MultiHeadAttention"] == fused
    assert found["RotaryEmbedding"] == (4 if name == "roformer" else 0)
    assert encoder.config._attn_implementation == before
    ids = torch.randint(0, 300, (2, 9))
    with torch.inference_mode():  # the network is as it was
        assert model(ids, torch.ones_like(ids), torch.arange(4), torch.arange(4)).entity.isfinite().all()


def test_static_int8_leaves_the_heads_exact(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model")
    write_graphs(NewsModel.from_pretrained(open_folder(folder)), folder)
    quantize_static(folder)
    graph = onnx.load(folder / GRAPH).graph
    made = {output: node.op_type for node in graph.node for output in node.output}
    products = Counter(made.get(node.input[1], "exact") for node in graph.node if node.op_type == "MatMul")
    # Six products of the one layer in int8; the word vector, four heads and the narrow token vectors stay exact.
    assert products == {"DequantizeLinear": 6, "exact": 6}
