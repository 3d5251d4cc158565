"""Labelled documents as `datasets.DatasetDict`, with explicit features.

Takes the shipped corpus or a foreign label file; gives a row for each document, in the same form for all, and the
document of a row again. Needs the train extra. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arnews.bio import tags_from_spans
from arnews.conll import read_conll
from arnews.datasets import SPLITS, LabelledDocument, corpus, make_entity, read_marked, sentence_offsets
from arnews.document import Argument, Document, Event
from arnews.errors import ExtraMissing
from arnews.evaluate import word_range
from arnews.schema import schema
from arnews.text import clean

if TYPE_CHECKING:
    from datasets import DatasetDict, Features

META = ("topic", "genre", "region", "date")
FORMATS = ("markup", "conll", "anercorp", "aqmar", "wikifane", "wojood")


def load_dataset(name: str = "arnews", path: str | Path | None = None) -> DatasetDict:
    """The shipped corpus, or a file of yours, as a `datasets.DatasetDict`: a row for each document.

    `name`: "arnews" (splits train, dev, test), or the format of the file or folder at `path` (one split, train):
    "markup", "anercorp", "aqmar", "wikifane", "wojood", or "conll", whose labels stay as they are. In a row:

    - `text`, `id`, `topic`, `genre`, `region`, `date` ("" where unknown);
    - `words`, and their offsets in `text` as `word_starts`, `word_ends`;
    - `entity_tags`: one list of BIO tags over the words for each layer of nesting, the outermost first;
    - `trigger_tags`: BIO tags over the words;
    - `entities`: `start`, `end`, `label`; `events`: `start`, `end`, `type`, `modality`, and `arguments`, each a `role`
      and the index of its `entity`;
    - `annotates`: the entity labels that the set marks wherever they occur, `annotates_events`.

    A foreign label that may be one of several of ours is called `GPE/LOC/FAC`; one that is none of ours, `?`.
    Raises `ExtraMissing` without the package datasets, `FormatError` for a file that cannot be read.

    >>> row = load_dataset("arnews")["test"][0]
    >>> all(row["text"][a:b] for a, b in zip(row["word_starts"], row["word_ends"]))
    True
    """
    try:
        from datasets import Dataset, DatasetDict
    except ImportError:
        raise ExtraMissing("load_dataset", "train") from None
    if name == "arnews" and path is None:
        splits: Mapping[str, Sequence[LabelledDocument]] = {split: corpus(split) for split in SPLITS}
    elif name in FORMATS and path is not None:
        splits = {"train": read_marked(Path(path)) if name == "markup" else read_conll(Path(path), name)}
    else:
        raise ValueError(f"name is {name!r}, path {path!r}: give 'arnews' alone, or {', '.join(FORMATS)} with a path")
    found = {e.label for documents in splits.values() for d in documents for e in d.document.entities}
    labels = [*schema().entities, *sorted(found - set(schema().entities))]
    form = features(labels)
    return DatasetDict(
        {
            split: Dataset.from_list([to_row(d, labels) for d in documents], features=form)
            for split, documents in splits.items()
        }
    )


def features(labels: Sequence[str]) -> Features:
    """The columns and their types; `labels` are the names of the entities' labels."""
    from datasets import ClassLabel, Features, List, Value

    s, number, text = schema(), Value("int32"), Value("string")
    tags = ClassLabel(names=_tag_names(labels))
    argument = {"role": ClassLabel(names=list(s.roles)), "entity": number}
    return Features(
        {
            "id": text,
            "text": text,
            **dict.fromkeys(META, text),
            "words": List(text),
            "word_starts": List(number),
            "word_ends": List(number),
            "entity_tags": List(List(tags)),
            "trigger_tags": List(ClassLabel(names=_tag_names(list(s.events)))),
            "entities": List({"start": number, "end": number, "label": ClassLabel(names=list(labels))}),
            "events": List(
                {
                    "start": number,
                    "end": number,
                    "type": ClassLabel(names=list(s.events)),
                    "modality": ClassLabel(names=list(s.modalities)),
                    "arguments": List(argument),
                }
            ),
            "annotates": List(text),
            "annotates_events": Value("bool"),
        }
    )


def _tag_names(kinds: Sequence[str]) -> list[str]:
    return ["O", *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI")]


def to_row(labelled: LabelledDocument, labels: Sequence[str]) -> dict[str, Any]:
    """The row of a document."""
    document = labelled.document
    text = clean(document.text)
    words = np.array(text.words(), dtype=np.int64).reshape(-1, 2)
    raw = [text.to_raw(a, b) for a, b in words]
    layers: list[list[tuple[int, int, int]]] = []
    for entity in sorted(document.entities, key=lambda e: (e.start, -e.end)):
        first, last, _ = word_range(text, words, entity.start, entity.end)
        layer = next((spans for spans in layers if spans[-1][1] <= first), None)
        if layer is None:
            layers.append(layer := [])
        layer.append((first, last, labels.index(entity.label)))
    kinds = list(schema().events)
    triggers = [(*word_range(text, words, e.start, e.end)[:2], kinds.index(e.type)) for e in document.events]
    place = {id(entity): i for i, entity in enumerate(document.entities)}
    return {
        "id": labelled.id,
        "text": document.text,
        **{key: labelled.meta.get(key, "") for key in META},
        "words": [document.text[a:b] for a, b in raw],
        "word_starts": [a for a, _ in raw],
        "word_ends": [b for _, b in raw],
        "entity_tags": [tags_from_spans(spans, len(words)).tolist() for spans in layers],
        "trigger_tags": tags_from_spans(triggers, len(words)).tolist(),
        "entities": [{"start": e.start, "end": e.end, "label": e.label} for e in document.entities],
        "events": [
            {
                "start": e.start, "end": e.end, "type": e.type, "modality": e.modality,
                "arguments": [{"role": a.role, "entity": place[id(a.entity)]} for a in e.arguments],
            }
            for e in document.events
        ],
        "annotates": sorted(labelled.annotates),
        "annotates_events": labelled.events,
    }  # fmt: skip


def from_row(row: Mapping[str, Any], form: Features) -> Document:
    """The document of a row: what `to_row` was given, for `form` the features of the row's dataset."""
    text, s = row["text"], schema()
    labels = form["entities"].feature["label"].names
    entities = tuple(make_entity(text, e["start"], e["end"], labels[e["label"]]) for e in row["entities"])
    kinds, modalities, roles = list(s.events), list(s.modalities), list(s.roles)
    events = tuple(
        Event(
            text[e["start"] : e["end"]], kinds[e["type"]], modalities[e["modality"]], e["start"], e["end"], 1.0,
            tuple(Argument(roles[a["role"]], entities[a["entity"]], 1.0) for a in e["arguments"]),
        )
        for e in row["events"]
    )  # fmt: skip
    return Document(text, entities, events, sentence_offsets(text))
