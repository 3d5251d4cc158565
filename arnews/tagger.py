"""The flow end to end: a raw text in, a `Document` out.

Takes texts; gives documents, one for each, in order. `tag_parts` is the table of contents: one line for each arrow.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from arnews.decode import ReadText, Spans, decode
from arnews.document import Document
from arnews.encode import Batch, WordEncoder, batches
from arnews.errors import ExtraMissing
from arnews.folder import GRAPH, Folder, ModelConfig, open_folder, resolve
from arnews.runtime import Runtime, WordLogits
from arnews.segment import Window, sentence_bounds, windows
from arnews.text import clean

# Tokens of one batch, padding included. On a CPU larger ones fall out of its cache and pad more (4,096 tokens: 10%
# slower); a GPU is idle with less.
TOKEN_BUDGET = 1024
GPU_TOKEN_BUDGET = 32_768
# Texts are read ahead until they hold about this many words (three batches), so that windows of like length meet.
# A longer text is read in parts of this size, cut between sentences, so that memory does not grow with it.
READ_AHEAD_WORDS = 8192
# A group never holds more texts than this, however short they are.
READ_AHEAD_TEXTS = 1024


class Tagger:
    """Reads Arabic news: entities, events and their arguments, with exact offsets into the text as given.

    `model`: a folder written by `save_pretrained` or a hub id; None is the bundled model, and nothing is downloaded. A
    token classifier from elsewhere with B-x, I-x labels becomes a tagger of entities, with its labels as they are.
    `device`: "cpu", "cuda", …; `dtype`: "fp32", "bf16" or "fp16". On the CPU with no dtype the ONNX graph runs and
    torch is not imported; else the torch extra is needed. `threads`: for the ONNX engine, None for all cores.
    `token_budget`: tokens of a batch, None for what suits the device; on a GPU that is short of memory batches are
    halved. `compile`: run torch.compile on the network, which takes a minute and pays on a GPU. Raises `ModelError` for
    a folder that is missing or damaged. May be shared between threads; pickles as its arguments.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        device: str = "cpu",
        dtype: str | None = None,
        threads: int | None = None,
        token_budget: int | None = None,
        compile: bool = False,
    ) -> None:
        self._arguments: dict[str, Any] = {
            "model": model, "device": device, "dtype": dtype, "threads": threads, "token_budget": token_budget,
            "compile": compile,
        }  # fmt: skip
        self.folder: Folder = open_folder(resolve(model))
        self._budget = token_budget or (TOKEN_BUDGET if device == "cpu" else GPU_TOKEN_BUDGET)
        self._ahead = READ_AHEAD_WORDS if device == "cpu" else 2 * GPU_TOKEN_BUDGET
        self._encode = WordEncoder(self.folder.tokenizer)
        self._runtime = self._load()

    @property
    def config(self) -> ModelConfig:
        """The model's labels and window."""
        return self.folder.config

    def _load(self) -> Runtime:
        device, dtype = self._arguments["device"], self._arguments["dtype"]
        if device == "cpu" and dtype is None and (self.folder.path / GRAPH).exists():
            from arnews.runtime.onnx import OnnxRuntime

            return OnnxRuntime(self.folder, self._arguments["threads"])
        try:
            from arnews.model import NewsModel
            from arnews.runtime.torch import TorchRuntime
        except ImportError as error:
            raise ExtraMissing(f"device={device!r}, dtype={dtype!r}", "torch") from error
        if self.config.flat:
            from arnews.runtime.foreign import TokenClassifier

            network: Any = TokenClassifier(self.folder)
        else:
            network = NewsModel.from_pretrained(self.folder)
        return TorchRuntime(network, device, dtype or "fp32", compile=self._arguments["compile"])

    @classmethod
    def from_pretrained(cls, model: str | Path, **arguments: Any) -> Tagger:
        """The same as `Tagger(model, ...)`."""
        return cls(model, **arguments)

    def save_pretrained(self, path: str | Path) -> None:
        """Copy the model's files into a folder that `Tagger(path)` loads."""
        shutil.copytree(self.folder.path, path, dirs_exist_ok=True)

    def push_to_hub(self, name: str, *, private: bool = False) -> str:
        """Upload the model's folder to the hub repository `name` (made where it is not there); gives its address.

        Needs the torch extra (huggingface_hub) and a login.
        """
        try:
            from huggingface_hub import HfApi
        except ImportError as error:
            raise ExtraMissing("push_to_hub", "torch") from error
        hub = HfApi()
        hub.create_repo(name, private=private, exist_ok=True)
        return str(hub.upload_folder(repo_id=name, folder_path=self.folder.path))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._arguments,)

    @overload  # a str is an iterable of str, but is never taken for one
    def __call__(self, texts: str) -> Document: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, texts: Iterable[str]) -> list[Document]: ...
    def __call__(self, texts: str | Iterable[str]) -> Document | list[Document]:
        """Tag one text, or each of several.

        A str gives a `Document`; an iterable of str gives a list of them. Offsets count code points of the text as
        given. Raises `TypeError` for anything else.

        >>> tagger = Tagger()
        >>> doc = tagger("وصل الرئيس الفرنسي إيمانويل ماكرون إلى القاهرة يوم الأحد.")
        >>> [(e.text, e.label) for e in doc.entities if e.label == "GPE"]
        [('القاهرة', 'GPE')]
        """
        if isinstance(texts, str):
            return next(self.pipe([texts]))
        if texts is None or isinstance(texts, (bytes, bytearray, Path, dict)):
            raise _wrong_type(texts)
        return list(self.pipe(texts))

    def pipe(self, texts: Iterable[str], *, workers: int = 1) -> Iterator[Document]:
        """Tag any number of texts lazily: a `Document` for each, in their order.

        About 8,000 words are read ahead (65,000 on a GPU); memory does not depend on how many texts there are.
        `workers`: processes that share the work, each with its part of the cores and a model of its own; the answers
        are the same. It pays where there are many cores.
        """
        if workers > 1:
            from arnews.workers import tag_in_processes

            yield from tag_in_processes(self._arguments, texts, workers)
            return
        parts: list[Document] = []
        sizes: list[int] = []
        for group in self._groups(texts):
            for part, document in zip(group, self.tag_parts(group), strict=True):
                parts.append(document)
                sizes.append(len(part.words))
                if part.final:
                    yield _join(parts, sizes)
                    parts, sizes = [], []

    def tag_words(self, words: Sequence[str], *, events: bool = False) -> list[str]:
        """One IOB2 tag for each of some given words, whatever they are: of the outermost entities, or of the triggers.

        For text that is split already; the words are read joined by blanks.

        >>> Tagger().tag_words(["وصل", "إلى", "القاهرة"])
        ['O', 'O', 'B-GPE']
        """
        if isinstance(words, str):
            raise TypeError("tag_words takes a list of words: call tagger(text) for a text")
        for word in words:
            if not isinstance(word, str):
                raise _wrong_type(word)
        document = self(" ".join(words))
        owner = np.repeat(np.arange(len(words)), [len(word) + 1 for word in words])
        tags = ["O"] * len(words)
        spans = [(e.start, e.end, e.type) for e in document.events] if events else [
            (e.start, e.end, e.label) for e in sorted(document.entities, key=lambda e: (e.start, -e.end))
        ]  # fmt: skip
        for start, end, label in spans:
            first, last = int(owner[start]), int(owner[end - 1])
            if all(tag == "O" for tag in tags[first : last + 1]):
                tags[first : last + 1] = ["B-" + label] + ["I-" + label] * (last - first)
        return tags

    def _groups(self, texts: Iterable[str]) -> Iterator[list[ReadText]]:
        """Parts of texts in their order, as many as are read ahead."""
        group: list[ReadText] = []
        size = 0
        for text in texts:
            for part in read(text):
                group.append(part)
                size += len(part.words)
                if size >= self._ahead or len(group) >= READ_AHEAD_TEXTS:
                    yield group
                    group, size = [], 0
        if group:
            yield group

    def tag_parts(
        self, texts: Sequence[ReadText], given_triggers: Spans | None = None, given_entities: Spans | None = None
    ) -> list[Document]:
        logits, seen = self._run(self.batches(texts), sum(len(text.words) for text in texts))
        return decode(texts, logits, self._runtime, self.config, seen, given_triggers, given_entities)

    def batches(self, texts: Sequence[ReadText]) -> Iterator[Batch]:
        """What the network reads of some texts, in no order."""
        surfaces = [text.text.clean[start:end] for text in texts for start, end in text.words]
        pieces, counts = self._encode(surfaces)
        return batches(pieces, counts, self._windows(texts, counts), self.folder.special, self._budget)

    def _windows(self, texts: Sequence[ReadText], counts: np.ndarray) -> list[Window]:
        out: list[Window] = []
        base = 0
        for text in texts:
            stop = base + len(text.words)
            for w in windows(text.sentences, counts[base:stop], self.config.window - 2):
                out.append(Window(w.first + base, w.last + base, w.keep_first + base, w.keep_last + base))
            base = stop
        return out

    def _run(self, source: Iterable[Batch], words: int) -> tuple[WordLogits, np.ndarray]:
        """The network's outputs for all words in a row, from batches in any order, and which words they cover."""
        found: WordLogits | None = None
        seen = np.zeros(words, dtype=bool)
        for batch in source:
            out = self._runtime.words(batch)
            if found is None:
                found = WordLogits(*(np.zeros((words, part.shape[1]), np.float32) for part in out.parts()))
            kept = batch.words >= 0
            for target, part in zip(found.parts(), out.parts(), strict=True):
                target[batch.words[kept]] = part[kept]
            seen[batch.words[kept]] = True
        if found is None:
            c = self.config
            layers = 1 + 2 * len(c.entities) if c.flat else 3 * len(c.entities)
            widths = (layers, 1 + 2 * len(c.events), len(c.modalities), 1 + c.proclitic, 1)
            found = WordLogits(*(np.zeros((0, width), np.float32) for width in widths))
        return found, seen


def read(text: str) -> list[ReadText]:
    """A text cleaned, with its words and sentences; a long one in several parts, cut between sentences."""
    if not isinstance(text, str):
        raise _wrong_type(text)
    cleaned = clean(text)
    words = cleaned.words()
    sentences = sentence_bounds(cleaned.clean, words)
    if len(words) <= READ_AHEAD_WORDS:
        return [ReadText(cleaned, words, sentences)]
    parts: list[ReadText] = []
    at = 0
    while at < len(sentences):
        base, stop = sentences[at][0], at
        while stop < len(sentences) and (stop == at or sentences[stop][1] - base <= READ_AHEAD_WORDS):
            stop += 1
        inside = [(a - base, b - base) for a, b in sentences[at:stop]]
        last = sentences[stop - 1][1]
        parts.append(ReadText(cleaned, words[base:last], inside, final=stop == len(sentences)))
        at = stop
    return parts


def _join(parts: list[Document], sizes: list[int]) -> Document:
    """One document of the parts of a long text, which have these many words."""
    if len(parts) == 1:
        return parts[0]
    return Document(
        parts[0].text,
        tuple(entity for part in parts for entity in part.entities),
        tuple(event for part in parts for event in part.events),
        tuple(sentence for part in parts for sentence in part.sentences),
        sum(part.coverage * size for part, size in zip(parts, sizes, strict=True)) / sum(sizes),
    )


def _rebuild(arguments: dict[str, Any]) -> Tagger:
    return Tagger(**arguments)


def _wrong_type(value: object) -> TypeError:
    fixes = {
        bytes: "decode it first: data.decode('utf-8')",
        bytearray: "decode it first: data.decode('utf-8')",
        type(None): "give a str, '' for no text",
        dict: "give its text field",
    }
    fix = fixes.get(type(value), "give a str")
    if isinstance(value, Path):
        fix = "read it first: path.read_text(encoding='utf-8')"
    return TypeError(f"a text must be a str, not {type(value).__name__}: {fix}")
