"""The default engine: ONNX Runtime on the CPU.

Takes a checked folder; gives a `Runtime`. Knows nothing of torch.
"""

from __future__ import annotations

import os

import numpy as np
import onnxruntime

from arnews.encode import Batch
from arnews.errors import ModelError
from arnews.folder import GRAPH, LINKS, Folder, check_files
from arnews.runtime import Pairs, WordLogits

# One operator for a sum and its layer norm takes four times as long as two (see arnews.export.optimize).
_SLOWER = ["SkipLayerNormFusion"]


class OnnxRuntime:
    """Runs `model.onnx` and `links.onnx` of a folder on `threads` threads (None: all cores)."""

    def __init__(self, folder: Folder, threads: int | None = None) -> None:
        check_files(folder.path, folder.config, (GRAPH, LINKS))
        options = onnxruntime.SessionOptions()
        # Asked for by number: onnxruntime counts the machine's cores, not those this process may use.
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        options.intra_op_num_threads = threads or allowed
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # An arena keeps the largest batch it has seen for every length; the lengths are few, so it stays flat.
        self.options, self._folder = options, folder
        self._words, self._links = self.session(GRAPH), self.session(LINKS)

    def session(self, name: str) -> onnxruntime.InferenceSession:
        """A graph of the folder, loaded with this engine's settings."""
        path = str(self._folder.path / name)
        try:
            return onnxruntime.InferenceSession(
                path, self.options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER
            )
        except Exception as error:  # onnxruntime raises a kind of its own for every cause
            raise ModelError(f"{path} cannot be loaded ({error}): export it again") from error

    def words(self, batch: Batch) -> WordLogits:
        return WordLogits(*self._words.run(None, batch.feeds()))

    def links(self, pairs: Pairs) -> np.ndarray:
        feeds = {name: getattr(pairs, name) for name in ("trigger", "first", "last", "kind", "label", "distance")}
        return np.asarray(self._links.run(None, feeds)[0])
