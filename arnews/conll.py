"""Label files of other projects, a word and its tags a line, as gold documents.

Takes the files of ANERcorp, AQMAR, WikiFANE and Wojood, or any other whose labels `schema.yaml` maps under `sources`;
gives `LabelledDocument`s. Knows nothing of models or of training.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path

from arnews.datasets import UNKNOWN, LabelledDocument, make_entity, sentence_offsets
from arnews.document import Document
from arnews.errors import FormatError
from arnews.schema import Source, schema

OWN = "conll"  # the source whose labels are not mapped
# The files have no documents; this many sentences in a row are read as one, for their context.
SENTENCES = 8
# WikiFANE writes these as words of their own.
_PREFIXES = {"و", "ف", "ب", "ل", "ك", "س"}
_SUFFIXES = {"ه", "ها", "هم", "هما", "هن", "نا", "ي", "ك", "كم"}

Token = tuple[str, list[str]]  # the word and its tags: one, or as in Wojood one for each span that it is part of


def read_conll(path: Path, source: str) -> list[LabelledDocument]:
    """A file of a word and its BIO tags a line (.xz is read as such), the labels mapped by the schema's `sources`; with
    the source "conll" they stay as they are, and no name is taken to be inside another.

    Words split from their proclitics or suffixes, as WikiFANE has them, are joined again. Spans of different labels
    may nest. Raises `FormatError` for a line without a tag.

    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile("w", encoding="utf-8") as file:
    ...     _ = file.write("وزير B-OCC\\nخارجية I-OCC\\nمصر I-OCC B-GPE\\n")
    ...     file.flush()
    ...     [(e.text, e.label) for e in read_conll(Path(file.name), "wojood")[0].document.entities]
    [('وزير خارجية مصر', 'OCC'), ('مصر', 'GPE')]
    """
    if source != OWN and source not in schema().sources:
        raise ValueError(f"source is {source!r}: it must be one of {OWN}, {', '.join(schema().sources)}")
    sentences = list(_sentences(path))
    if source == OWN:
        found = sorted({tag[2:] for sentence in sentences for _, tags in sentence for tag in tags if tag != "O"})
        mapping = Source(tuple(found), {label: (label,) for label in found})
    else:
        mapping = schema().sources[source]
    out: list[LabelledDocument] = []
    group: list[list[Token]] = []
    for sentence in sentences:
        group.append(sentence)
        if len(group) == SENTENCES:
            out.append(_document(f"{path.stem}-{len(out)}", group, mapping, source))
            group = []
    if group:
        out.append(_document(f"{path.stem}-{len(out)}", group, mapping, source))
    return out


def _sentences(path: Path) -> Iterator[list[Token]]:
    opener = lzma.open if path.suffix == ".xz" else open
    sentence: list[Token] = []
    with opener(path, "rt", encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            token, *columns = line.split() or [""]
            if not token:
                if sentence:
                    yield sentence
                sentence = []
            elif not columns:
                raise FormatError("a line is a word and its tags", file=str(path), line=number)
            else:
                sentence.append((token, [tag for column in columns for tag in column.split("|")]))
    if sentence:
        yield sentence


def _document(name: str, sentences: Iterable[list[Token]], mapping: Source, source: str) -> LabelledDocument:
    """Join the words with blanks, and the parts of split words without, keeping the spans' offsets."""
    split_clitics = source == "wikifane"
    text = ""
    spans: list[tuple[int, int, str]] = []
    for sentence in sentences:
        text += "\n" if text else ""
        glue = True
        opened: dict[str, int] = {}  # label: where its span began
        for token, tags in [*sentence, ("", [])]:
            pairs = [tag.partition("-")[::2] for tag in tags]
            for kind in [k for k in opened if ("I", k) not in pairs]:
                spans.append((opened.pop(kind), len(text), kind))
            if not token:
                break
            if not glue and not (split_clitics and token in _SUFFIXES):
                text += " "
            for prefix, kind in pairs:
                if prefix in ("B", "I") and kind not in opened:
                    opened[kind] = len(text)
            text += token
            glue = split_clitics and token in _PREFIXES and tags == ["O"]
    spans.sort(key=lambda s: (s[0], -s[1]))
    entities = tuple(
        make_entity(text, start, end, "/".join(mapping.labels.get(kind, ())) or UNKNOWN)
        for start, end, kind in spans
        if kind not in mapping.ignores
    )
    document = Document(text, entities, (), sentence_offsets(text))
    return LabelledDocument(name, document, frozenset(mapping.annotates), events=False, flat=source != "wojood")
