"""Where the tagger's time goes, and how much of the machine it uses.

Takes a tagger and texts; gives plain numbers. Knows nothing of other taggers.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from arnews.decode import decode
from arnews.encode import batches
from arnews.folder import GRAPH
from arnews.runtime.onnx import OnnxRuntime
from arnews.segment import sentence_bounds
from arnews.tagger import Tagger
from arnews.text import clean


def stages(tagger: Tagger, texts: Sequence[str]) -> dict[str, float]:
    """Shares of the wall time of each stage in percent, and of computed tokens that are padding."""
    from arnews.tagger import read

    spent = dict.fromkeys(("clean", "segment", "tokenise", "infer", "decode"), 0.0)
    real = computed = 0

    def timed(stage: str, started: float) -> None:
        spent[stage] += time.perf_counter() - started

    for at in range(0, len(texts), 32):
        group = texts[at : at + 32]
        started = time.perf_counter()
        cleaned = [clean(text) for text in group]
        timed("clean", started)
        started = time.perf_counter()
        for text in cleaned:
            sentence_bounds(text.clean, text.words())
        timed("segment", started)
        parts = [part for text in group for part in read(text)]
        started = time.perf_counter()
        surfaces = [part.text.clean[a:b] for part in parts for a, b in part.words]
        pieces, counts = tagger._encode(surfaces)
        made = list(batches(pieces, counts, tagger._windows(parts, counts), tagger.folder.special, tagger._budget))
        timed("tokenise", started)
        real += sum(int(batch.mask.sum()) for batch in made)
        computed += sum(batch.ids.size for batch in made)
        started = time.perf_counter()
        logits, seen = tagger._run(iter(made), len(surfaces))
        timed("infer", started)
        started = time.perf_counter()
        decode(parts, logits, tagger._runtime, tagger.config, seen)
        timed("decode", started)
    total = sum(spent.values())
    shares = {f"{stage}, % of the time": round(100 * value / total, 1) for stage, value in spent.items()}
    return shares | {"padding, % of the tokens": round(100 * (1 - real / computed), 1)}


def matrix_peak(size: int = 1024, runs: int = 20) -> float:
    """The machine's int8 matrix products as ONNX Runtime does them, in billions of operations a second."""
    weights = np.random.default_rng(0).integers(-127, 127, (size, size), dtype=np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["c"])], "peak",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, [size, size])],
        [helper.make_tensor_value_info("c", TensorProto.INT32, [size, size])],
        [helper.make_tensor("b", TensorProto.INT8, [size, size], weights.tobytes(), raw=True)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {"a": np.random.default_rng(1).integers(0, 255, (size, size), dtype=np.uint8)}
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        session.run(None, feeds)
        times.append(time.perf_counter() - started)
    return float(2 * size**3 / statistics.median(times) / 1e9)


def operators(tagger: Tagger, texts: Sequence[str]) -> dict[str, Any]:
    """Shares of the graph's time by operator in percent, and the operations a second of its int8 products."""
    from arnews.tagger import read

    assert isinstance(tagger._runtime, OnnxRuntime)
    options = tagger._runtime.options
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = tagger._runtime.session(GRAPH)
        made = list(tagger.batches([part for text in texts for part in read(text)]))
        for batch in made:
            session.run(None, batch.feeds())
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        options.enable_profiling = False
    spent: dict[str, float] = {}
    work = 0.0
    for event in events:
        if event.get("cat") != "Node" or not event["name"].endswith("kernel_time"):
            continue
        name = event["args"]["op_name"]
        spent[name] = spent.get(name, 0.0) + event["dur"]
        if name == "MatMulIntegerToFloat":
            left = next(iter(event["args"]["input_type_shape"][0].values()))
            product = next(iter(event["args"]["output_type_shape"][0].values()))
            work += 2 * math.prod(product) * left[-1]
    total = sum(spent.values())
    shares = {name: round(100 * value / total, 1) for name, value in sorted(spent.items(), key=lambda x: -x[1])[:8]}
    return {"operators, % of the graph's time": shares,
            "int8 products, GOP/s": round(work / max(1.0, spent.get("MatMulIntegerToFloat", 0.0)) / 1e3)}  # fmt: skip


def growth(tagger: Tagger, texts: Sequence[str], count: int) -> dict[str, float]:
    """The process's memory after 1,000 documents and after `count`, and the growth between in percent."""
    found = []
    stream = (texts[i % len(texts)] for i in range(count))
    for number, _ in enumerate(tagger.pipe(stream), 1):
        if number in (1000, count):
            found.append(_resident_mb())
    return {"MB after 1,000 documents": found[0], f"MB after {count:,}": found[-1],
            "growth, %": round(100 * (found[-1] / found[0] - 1), 1)}  # fmt: skip


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def lengths(tagger: Tagger, texts: Sequence[str], sizes: Sequence[int], runs: int) -> dict[int, float]:
    """Microseconds a word of one text of so many words, the median of the runs."""
    words = " ".join(texts).split()
    while len(words) < max(sizes):
        words += words
    out = {}
    for size in sizes:
        text = " ".join(words[:size])
        repeat = max(1, 5000 // size)
        times = []
        for _ in range(runs):
            started = time.perf_counter()
            for _ in range(repeat):
                tagger(text)
            times.append((time.perf_counter() - started) / repeat / size)
        out[size] = round(1e6 * statistics.median(times), 1)
    return out
