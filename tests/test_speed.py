"""The same answers however the work is divided: processes, halved batches, threads, devices."""

from __future__ import annotations

import itertools
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from arnews import Tagger
from arnews.encode import Batch
from arnews.runtime.torch import TorchRuntime
from tests.conftest import news
from tests.test_cli import arnews


def test_answers_are_the_same_for_any_number_of_processes() -> None:
    texts = [*news(300, seed=3, low=1, high=150), "", "!", " ".join(news(60, seed=4, low=100, high=100))]
    expected = list(Tagger().pipe(texts))
    for workers in (2, 3):
        assert list(Tagger().pipe(iter(texts), workers=workers)) == expected


def test_processes_read_lazily_and_stop_when_asked() -> None:
    pulled = itertools.count()

    def endless() -> object:
        for text in itertools.cycle(news(20, low=40, high=60)):
            next(pulled)
            yield text

    found = list(itertools.islice(Tagger().pipe(endless(), workers=2), 50))  # type: ignore[arg-type]
    assert len(found) == 50 and next(pulled) < 5000


def test_processes_refuse_what_is_no_text() -> None:
    with pytest.raises(TypeError, match="a text must be a str, not int"):
        list(Tagger().pipe(["قال", 7], workers=2))  # type: ignore[list-item]


def test_cli_workers_give_the_same_lines(tmp_path: Path) -> None:
    lines = tmp_path / "in.jsonl"
    lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in news(40)), encoding="utf-8")
    one = arnews("tag", lines, "--format", "jsonl").stdout
    assert arnews("tag", lines, "--format", "jsonl", "--workers", "2").stdout == one and one.count(b"\n") == 40


def test_halves_of_a_batch_hold_its_words() -> None:
    ids = np.arange(15).reshape(3, 5)
    batch = Batch(ids, np.ones_like(ids), np.array([1, 3, 6, 11, 13]), np.array([2, 3, 8, 12, 13]), np.arange(5))
    left, right = batch.halves()
    assert (left.ids == ids[:1]).all() and (right.ids == ids[1:]).all()
    for half, words in ((left, [0, 1]), (right, [2, 3, 4])):
        assert half.words.tolist() == words
        assert (half.ids.reshape(-1)[half.first] == ids.reshape(-1)[batch.first[words]]).all()
        assert (half.ids.reshape(-1)[half.last] == ids.reshape(-1)[batch.last[words]]).all()


def test_r21_a_batch_that_the_memory_does_not_hold_is_halved(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = news(40, seed=5)
    tagger = Tagger(trained, dtype="fp32")
    expected = list(tagger.pipe(texts))
    forward = tagger._runtime._forward  # type: ignore[attr-defined]

    def small(ids: torch.Tensor, *rest: torch.Tensor) -> object:
        if ids.numel() > 300:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(ids, *rest)

    monkeypatch.setattr(tagger._runtime, "_forward", small)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = list(tagger.pipe(texts))
    assert any("reading them in halves" in str(w.message) for w in caught)
    for left, right in zip(found, expected, strict=True):
        assert [(e.start, e.end, e.label) for e in left.entities] == [(e.start, e.end, e.label) for e in right.entities]
    monkeypatch.setattr(tagger._runtime, "_forward", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("no")))
    with pytest.raises(torch.OutOfMemoryError):
        tagger("قال")


def test_bf16_on_the_cpu_agrees_nearly() -> None:
    texts = news(60, seed=8)
    exact, rough = Tagger(dtype="fp32"), Tagger(dtype="bf16")
    spans = [{(e.start, e.end, e.label) for d in t.pipe(texts) for e in d.entities} for t in (exact, rough)]
    assert len(spans[0] ^ spans[1]) <= 0.05 * len(spans[0])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("compile", [False, True])
def test_gpu_gives_the_answers_of_the_cpu(compile: bool) -> None:
    texts = news(300, seed=9, low=1, high=300)
    cpu, gpu = Tagger(dtype="fp32"), Tagger(device="cuda", dtype="bf16", compile=compile)
    assert isinstance(gpu._runtime, TorchRuntime)
    spans = [
        {(i, e.start, e.end, e.label) for i, d in enumerate(t.pipe(texts)) for e in d.entities} for t in (cpu, gpu)
    ]
    assert len(spans[0] ^ spans[1]) <= 0.05 * len(spans[0])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_r21_gpu_short_of_memory_still_tags_everything() -> None:
    texts = news(2000, seed=9, low=100, high=300)
    expected = list(Tagger(device="cuda", dtype="fp32").pipe(texts))
    torch.cuda.set_per_process_memory_fraction(0.02)
    try:
        found = list(Tagger(device="cuda", dtype="fp32", token_budget=2_000_000).pipe(texts))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert [len(d.entities) for d in found] == [len(d.entities) for d in expected]


def test_answers_do_not_depend_on_how_much_is_read_ahead() -> None:
    texts = news(120, seed=11, low=1, high=200)
    expected = list(Tagger().pipe(texts))
    for ahead in (1, 300, 5000):
        tagger = Tagger()
        tagger._ahead = ahead
        assert list(tagger.pipe(texts)) == expected
