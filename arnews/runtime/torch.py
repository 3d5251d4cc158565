"""The torch engine: any checkpoint, on CPU or GPU.

Takes a network; gives a `Runtime`. Knows nothing of texts.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch

from arnews.encode import Batch
from arnews.errors import ArnewsError
from arnews.model import NewsModel
from arnews.runtime import Pairs, WordLogits
from arnews.runtime.foreign import TokenClassifier

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchRuntime:
    """Runs the network itself on `device` with weights of `dtype` (fp32, bf16 or fp16)."""

    def __init__(
        self, model: NewsModel | TokenClassifier, device: str = "cpu", dtype: str = "fp32", *, compile: bool = False
    ) -> None:
        if dtype not in DTYPES:
            raise ValueError(f"dtype is {dtype!r}: it must be one of {', '.join(DTYPES)}")
        try:
            self._device = torch.empty(0, device=device).device
        except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts, an unknown name raises
            raise ArnewsError(f"device {device!r} cannot be used here ({error}): use device='cpu'") from error
        self._model = model.eval().to(self._device, DTYPES[dtype])
        self._dtype = DTYPES[dtype]
        self._forward = torch.compile(self._model, dynamic=True) if compile else self._model

    def words(self, batch: Batch) -> WordLogits:
        """As the interface says; a batch that the memory does not hold is read in halves."""
        try:
            with torch.inference_mode():
                out = self._forward(*(self._move(x) for x in (batch.ids, batch.mask, batch.first, batch.last)))
                return WordLogits(*(part.float().cpu().numpy() for part in out))
        except torch.OutOfMemoryError:
            if len(batch.ids) < 2:
                raise
        warnings.warn(
            f"{batch.ids.size} tokens do not fit into the memory of {self._device}: reading them in halves",
            ResourceWarning, stacklevel=2,
        )  # fmt: skip
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        parts = [self.words(half).parts() for half in batch.halves()]
        return WordLogits(*(np.concatenate(pair) for pair in zip(*parts, strict=True)))

    def links(self, pairs: Pairs) -> np.ndarray:
        vectors = (self._move(x).to(self._dtype) for x in (pairs.trigger, pairs.first, pairs.last))
        numbers = (self._move(x) for x in (pairs.kind, pairs.label, pairs.distance))
        with torch.inference_mode():
            logits = self._model.links(*vectors, *numbers)
            return np.asarray(logits.float().cpu().numpy())

    def _move(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        if self._device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self._device, non_blocking=True)
