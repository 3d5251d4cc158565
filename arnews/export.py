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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

from arnews.datasets import LabelledDocument
from arnews.errors import ModelError
from arnews.evaluate import evaluate
from arnews.folder import CONFIG, GRAPH, LINKS, open_folder, sha256
from arnews.model import DISTANCES, NewsModel, swap
from arnews.tagger import Tagger

OPSET = 18
PARITY = 1e-3  # the largest difference of a logit between torch and the fp32 graph
DROP = 0.5  # the largest fall of an F1 on the dev documents, in points, that int8 may cost
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
        with _quiet():
            write_graphs(model, made)
        figures = {"fp32_logit_difference": check_parity(model, made, folder.encoder["vocab_size"])}
        _seal(made)
        if precision == "int8":
            exact = evaluate(Tagger(made), documents)
            with _quiet():
                quantize(made / GRAPH)
            _seal(made)
            small = evaluate(Tagger(made), documents)
            for part in ("entities", "triggers"):
                if part in exact:
                    figures[f"{part}_f1_drop"] = drop = round(exact[part]["f1"] - small[part]["f1"], 2)
                    if drop > DROP:
                        raise ModelError(f"int8 costs {drop} points of {part} F1, more than {DROP}: nothing is written")
        swap(made, target)
    return figures


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


def write_graphs(model: NewsModel, folder: Path) -> None:
    """`model.onnx` and `links.onnx` in fp32, with every size of the inputs left open."""
    dim = torch.export.Dim
    batch, length, words = dim("batch", min=1), dim("length", min=4, max=8192), dim("words", min=1)
    ids, mask = torch.ones(2, 16, dtype=torch.long), torch.ones(2, 16, dtype=torch.long)
    mask[1, 10:] = 0  # with a full mask the tracer leaves the masking out
    first, last = torch.tensor([1, 2, 17]), torch.tensor([1, 3, 18])  # one tensor given twice would become one input
    program = torch.onnx.export(
        model, (ids, mask, first, last), dynamo=True, opset_version=OPSET, verbose=False,
        input_names=["ids", "mask", "first", "last"],
        output_names=["entity", "trigger", "modality", "proclitic", "hidden"],
        dynamic_shapes=({0: batch, 1: length}, {0: batch, 1: length}, {0: words}, {0: words}),
    )  # fmt: skip
    _save(program, folder / GRAPH)
    pairs = dim("pairs", min=1)
    vectors = [torch.zeros(3, model.encoder.config.hidden_size) for _ in range(3)]
    numbers = [torch.zeros(3, dtype=torch.long) for _ in range(3)]
    program = torch.onnx.export(
        _Links(model), (*vectors, *numbers), dynamo=True, opset_version=OPSET,
        verbose=False, input_names=["trigger", "first", "last", "kind", "label", "distance"], output_names=["roles"],
        dynamic_shapes=(({0: pairs},) * 6,),
    )  # fmt: skip
    _save(program, folder / LINKS)


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


def quantize(path: Path) -> None:
    """Weights to int8 in blocks of 32 (blocks of 128 cost half a point of F1), multiplied with activations that each
    row quantises by itself, so that a text gets the same answer in any batch. The usual dynamic quantisation scales
    the whole batch at once: the same text's vectors then differed by up to 0.05 between batches."""
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
