"""A trained model folder to ONNX graphs, refused where they do not answer as the network does.

Takes a folder with weights; gives a folder with `model.onnx` and `links.onnx` beside them. Needs the torch and export
extras. Knows nothing of training.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic
from onnxruntime.quantization import quantize_static as _quantize_static
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model

from arnews.datasets import LabelledDocument, corpus
from arnews.errors import ModelError
from arnews.evaluate import evaluate
from arnews.folder import CONFIG, GRAPH, LINKS, open_folder, sha256
from arnews.fusion import fused_attention
from arnews.model import DISTANCES, NewsModel, swap
from arnews.tagger import Tagger, read

OPSET = 18
PARITY = 1e-3  # the largest difference of a logit between torch and the fp32 graph
DROP = 0.5  # the largest fall of an F1 on the dev documents, in points, that int8 may cost
CALIBRATION = 100  # documents of the shipped corpus that activations are ranged on
SHAPES = ((1, 8), (2, 16), (3, 40), (7, 128), (16, 64), (1, 128), (5, 24), (32, 32), (4, 96), (2, 120))


class _Links(torch.nn.Module):
    """The second half of the network as a module of its own."""

    def __init__(self, model: NewsModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.model.links(*inputs)


def export(
    source: Path, target: Path, documents: Sequence[LabelledDocument] = (), *, precision: str = "int8"
) -> dict[str, float]:
    """Write `target`: a copy of the folder `source` with its graphs in "int8" or "fp32".

    int8 needs gold `documents`: raises `ModelError` where entity or trigger F1 on them falls by more than half a
    point. fp32 graphs must give torch's logits within 1e-3 for batches of ten shapes, padding included. Gives the
    figures that were measured.
    """
    if precision not in ("int8", "fp32"):
        raise ValueError(f"precision is {precision!r}: it must be int8 or fp32")
    if precision == "int8" and not documents:
        raise ValueError("int8 is measured against fp32 before it is written: give gold documents")
    folder = open_folder(source)
    model = NewsModel.from_pretrained(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=target.name + ".tmp-", dir=target.parent) as name:
        made = Path(name) / "model"
        shutil.copytree(source, made)
        figures = {"fp32_logit_difference": write_graphs(model, made)}
        _seal(made)
        if precision == "int8":
            figures |= _shrink(made, documents)
        swap(made, target)
    return figures


def _shrink(folder: Path, documents: Sequence[LabelledDocument]) -> dict[str, float]:
    """The graph in int8: with one scale for all of an activation's numbers, and where that costs too much F1 with one
    for each row and block. Gives the falls of F1."""
    exact = evaluate(Tagger(folder), documents)
    drops: dict[str, float] = {}
    whole = (folder / GRAPH).read_bytes()
    for method in (quantize_static, quantize_blocks):
        (folder / GRAPH).write_bytes(whole)
        _seal(folder)
        with _quiet():
            method(folder)
        _seal(folder)
        small = evaluate(Tagger(folder), documents)
        parts = [part for part in ("entities", "triggers") if part in exact]
        drops = {f"{part}_f1_drop": round(exact[part]["f1"] - small[part]["f1"], 2) for part in parts}
        if max(drops.values()) <= DROP:
            return drops
    part, drop = max(drops.items(), key=lambda pair: pair[1])
    raise ModelError(f"int8 costs {drop} points of {part.split('_')[0]} F1, more than {DROP}: nothing is written")


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of its own internals on every run."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def write_graphs(model: NewsModel, folder: Path) -> float:
    """`model.onnx` and `links.onnx` in fp32, with every size of the inputs left open; gives the largest difference of
    a logit. Attention is one operator a layer; where such a graph does not answer as the network, it is written as
    torch has it."""
    vocabulary = model.encoder.config.vocab_size
    with _quiet():
        _write_links(model, folder / LINKS)
        try:
            with fused_attention(model, model.encoder) as network:
                _write_words(network, folder / GRAPH)
            optimize(folder / GRAPH, model)
            return check_parity(model, folder, vocabulary)
        except Exception as error:  # the exporter and the runtime raise kinds of their own
            logging.getLogger(__name__).debug("attention is not fused: %s", error)
        _write_words(model, folder / GRAPH)
        optimize(folder / GRAPH, model)
        return check_parity(model, folder, vocabulary)


def _write_words(network: torch.nn.Module, path: Path) -> None:
    dim = torch.export.Dim
    batch, length, words = dim("batch", min=1), dim("length", min=4, max=8192), dim("words", min=1)
    ids, mask = torch.ones(2, 16, dtype=torch.long), torch.ones(2, 16, dtype=torch.long)
    mask[1, 10:] = 0  # with a full mask the tracer leaves the masking out
    first, last = torch.tensor([1, 2, 17]), torch.tensor([1, 3, 18])  # one tensor given twice would become one input
    program = torch.onnx.export(
        network, (ids, mask, first, last), dynamo=True, opset_version=OPSET, verbose=False,
        input_names=["ids", "mask", "first", "last"],
        output_names=["entity", "trigger", "modality", "proclitic", "hidden"],
        dynamic_shapes=({0: batch, 1: length}, {0: batch, 1: length}, {0: words}, {0: words}),
    )  # fmt: skip
    _save(program, path)


def _write_links(model: NewsModel, path: Path) -> None:
    pairs = torch.export.Dim("pairs", min=1)
    vectors = [torch.zeros(3, model.encoder.config.hidden_size) for _ in range(3)]
    numbers = [torch.zeros(3, dtype=torch.long) for _ in range(3)]
    program = torch.onnx.export(
        _Links(model), (*vectors, *numbers), dynamo=True, opset_version=OPSET,
        verbose=False, input_names=["trigger", "first", "last", "kind", "label", "distance"], output_names=["roles"],
        dynamic_shapes=(({0: pairs},) * 6,),
    )  # fmt: skip
    _save(program, path)


def optimize(path: Path, model: NewsModel) -> None:
    """Fuse GELU with its bias and layer norms into operators. Not the sum before a layer norm: ONNX Runtime's
    operator for both takes four times as long as the two by themselves (2.6 ms against 0.6 on 4,096 x 256)."""
    options = FusionOptions("bert")
    options.enable_attention = options.enable_skip_layer_norm = options.enable_embed_layer_norm = False
    options.enable_bias_skip_layer_norm = False
    shape = model.encoder.config
    made = optimize_model(
        str(path), "bert", num_heads=shape.num_attention_heads, hidden_size=shape.hidden_size, opt_level=0,
        optimization_options=options,
    )  # fmt: skip
    made.save_model_to_file(str(path))


def _save(program: torch.onnx.ONNXProgram | None, path: Path) -> None:
    assert program is not None
    program.save(path, external_data=False)


def check_parity(model: NewsModel, folder: Path, vocabulary: int) -> float:
    """The largest difference between torch and the fp32 graphs; raises `ModelError` above 1e-3."""
    graph = onnxruntime.InferenceSession(folder / GRAPH, providers=["CPUExecutionProvider"])
    links = onnxruntime.InferenceSession(folder / LINKS, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    worst = 0.0
    for rows, length in SHAPES:
        ids = rng.integers(0, vocabulary, (rows, length))
        mask = (np.arange(length) < rng.integers(4, length + 1, (rows, 1))).astype(np.int64)
        read = np.flatnonzero(mask.ravel())
        first, last = read[:-2], read[2:]  # every input of its own, so that one that the graph lost is seen
        feeds = {"ids": ids, "mask": mask, "first": first, "last": last}
        with torch.inference_mode():
            expected = [part.numpy() for part in model(*map(torch.from_numpy, feeds.values()))]
        worst = max(worst, *(_difference(a, b) for a, b in zip(graph.run(None, feeds), expected, strict=True)))
        hidden = expected[-1][:rows]
        sizes = (len(model.config.events), len(model.config.entities), DISTANCES)
        numbers = [rng.integers(0, size, len(hidden)) for size in sizes]
        inputs = [hidden, hidden[::-1].copy(), np.roll(hidden, 1, axis=0), *numbers]
        with torch.inference_mode():
            roles = model.links(*map(torch.from_numpy, inputs)).numpy()
        names = ("trigger", "first", "last", "kind", "label", "distance")
        worst = max(worst, _difference(links.run(None, dict(zip(names, inputs, strict=True)))[0], roles))
    if not worst <= PARITY:
        raise ModelError(f"the graph's logits differ from torch by {worst:.2g}, more than {PARITY}: nothing is written")
    return worst


def _difference(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.abs(left - right).max(initial=0.0))


class _Texts(CalibrationDataReader):  # type: ignore[misc]
    """Batches of the shipped corpus, for the range of every activation."""

    def __init__(self, folder: Path) -> None:
        tagger = Tagger(folder)
        texts = [part for item in corpus("train")[:CALIBRATION] for part in read(item.document.text)]
        self.batches = tagger.batches(texts)

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self.batches, None)
        return None if batch is None else batch.feeds()


def quantize_static(folder: Path) -> None:
    """Weights to int8 for each column, activations to uint8 in ranges seen on the shipped corpus, so that a text gets
    the same answer in any batch. The usual dynamic quantisation scales a whole batch at once: the same text's vectors
    then differed by up to 0.05 between batches, and it is slower."""
    path = folder / GRAPH
    embedded = path.with_suffix(".embedded.onnx")
    quantize_dynamic(path, embedded, per_channel=False, weight_type=QuantType.QInt8, op_types_to_quantize=["Gather"])
    made = path.with_suffix(".static.onnx")
    _quantize_static(
        embedded, made, _Texts(folder), quant_format=QuantFormat.QDQ, op_types_to_quantize=["MatMul", "Gemm"],
        per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        nodes_to_exclude=_outside_layers(embedded),
        extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"], "MatMulConstBOnly": True},
    )  # fmt: skip
    made.replace(path)
    embedded.unlink()


def _outside_layers(path: Path) -> list[str]:
    """The products of the heads, and of token vectors narrower than the layers: a percent of the work, and in int8
    half a point of F1 (dev split: entities 65.1 in fp32, 64.0 with everything in int8, 64.9 without these)."""
    graph = onnx.load(path).graph
    shapes = {weight.name: tuple(weight.dims) for weight in graph.initializer}
    heads, out = {"first", "last"}, []
    widths = Counter(shapes[name] for node in graph.node if node.op_type == "MatMul" for name in node.input[1:]
                     if name in shapes)  # fmt: skip
    width = max(widths, key=lambda shape: widths[shape])[0]
    for node in graph.node:
        if heads.intersection(node.input):
            heads.update(node.output)
            out.append(node.name)
        elif node.op_type in ("MatMul", "Gemm") and shapes.get(node.input[1], (width,))[0] < width:
            out.append(node.name)
    return out


def quantize_blocks(folder: Path) -> None:
    """Weights to int8 in blocks of 32, multiplied with activations that each row quantises by itself: nothing is lost,
    at half the speed of `quantize_static`."""
    path = folder / GRAPH
    embedded = path.with_suffix(".embedded.onnx")
    quantize_dynamic(path, embedded, per_channel=False, weight_type=QuantType.QInt8, op_types_to_quantize=["Gather"])
    blocks = DefaultWeightOnlyQuantConfig(block_size=32, is_symmetric=True, accuracy_level=4, bits=8)
    quantizer = MatMulNBitsQuantizer(onnx.load(embedded), algo_config=blocks)
    quantizer.process()
    quantizer.model.save_model_to_file(str(path))
    embedded.unlink()


def _seal(folder: Path) -> None:
    """Write the graphs' digests into the config, which a loader checks."""
    path = folder / CONFIG
    values = json.loads(path.read_text(encoding="utf-8"))
    config = open_folder(folder).config
    files = config.files | {name: sha256(folder / name) for name in (GRAPH, LINKS)}
    values["arnews"] = dataclasses.asdict(dataclasses.replace(config, files=files))
    path.write_text(json.dumps(values, ensure_ascii=False, indent=1), encoding="utf-8")
