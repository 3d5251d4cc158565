"""Tagging in several processes, with the answers in order.

Takes a tagger's arguments and texts; gives documents. Knows nothing of how tagging is done.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from arnews.document import Document

CHUNK_WORDS = 8192  # what a process is given at once, about
CHUNK_TEXTS = 1024
AHEAD = 2  # chunks that wait for each process: none idles, and memory stays bounded

_tagger: Any = None  # a process's own


def _start(arguments: dict[str, Any]) -> None:
    global _tagger
    from arnews.tagger import Tagger

    _tagger = Tagger(**arguments)


def _tag(texts: list[str]) -> list[Document]:
    return list(_tagger.pipe(texts))


def tag_in_processes(arguments: dict[str, Any], texts: Iterable[str], workers: int) -> Iterator[Document]:
    """A document for each text, in their order; memory does not depend on how many texts there are."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    arguments = arguments | {"threads": arguments["threads"] or max(1, cores // workers)}
    spawn = multiprocessing.get_context("spawn")  # a forked ONNX session may hang
    with ProcessPoolExecutor(workers, spawn, _start, (arguments,)) as pool:
        waiting: deque[Future[list[Document]]] = deque()
        try:
            for chunk in _chunks(texts):
                waiting.append(pool.submit(_tag, chunk))
                if len(waiting) >= AHEAD * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(text)
        size += len(text.split()) if isinstance(text, str) else 0  # what is no text is refused by the tagger
        if size >= CHUNK_WORDS or len(chunk) >= CHUNK_TEXTS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
