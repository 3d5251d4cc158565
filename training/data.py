"""The labelled sets of a run: what is trained on, and what is scored on.

Takes the data part of a config; gives labelled documents. Knows nothing of models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from arnews.conll import read_conll
from arnews.datasets import LabelledDocument, corpus, read_marked
from arnews.features import FORMATS
from arnews.folder import ModelConfig
from arnews.schema import schema


@dataclass(frozen=True)
class DataConfig:
    """One labelled set."""

    format: str = field(metadata={"choices": ("arnews", *FORMATS)})  # arnews: the shipped corpus, which needs no path
    path: str = ""  # a file, or for markup also a folder
    repeat: int = field(default=1, metadata={"low": 1, "high": 100})  # how often an epoch sees it
    take: float = field(default=1.0, metadata={"low": 0.01, "high": 1.0})  # this share from the front
    until: float = field(default=1.0, metadata={"low": 0.0, "high": 1.0})  # it takes part in this share of the epochs
    skip: float = field(default=0.0, metadata={"low": 0.0, "high": 1.0})  # but not this share of it
    share: float = field(default=1.0, metadata={"low": 0.0, "high": 1.0})  # this share, spread evenly
    scored: float = field(default=1.0, metadata={"low": 0.0, "high": 1.0})  # this share of its dev data is scored
    score_only: bool = False  # nothing is trained on: it joins the dev data
    hold_out: bool = False  # leave out the fifth of the documents that `held_out` names; it joins the dev data

    @property
    def events(self) -> bool:
        """Whether the set marks events, and so everything."""
        return self.format in ("arnews", "markup")


def held_out(name: str) -> bool:
    """Whether a document belongs to the fixed fifth that is never trained on."""
    return int(hashlib.sha256(name.encode("utf-8")).hexdigest(), 16) % 5 == 0


def load_data(sets: Sequence[DataConfig]) -> tuple[list[list[LabelledDocument]], dict[str, list[LabelledDocument]]]:
    """The training documents of each set, repeated as asked, and the named dev sets."""
    training: list[list[LabelledDocument]] = []
    dev: dict[str, list[LabelledDocument]] = {}
    for data in sets:
        if data.format == "arnews":
            documents = corpus("train")
            for split in ("dev", "test"):
                dev[f"arnews-{split}"] = spread(corpus(split), data.scored)
        elif data.format == "markup":
            documents = read_marked(Path(data.path))
        else:
            documents = read_conll(Path(data.path), data.format)
        documents = documents[round(len(documents) * data.skip) : round(len(documents) * data.take)]
        if data.score_only:
            dev[f"{Path(data.path).parent.name}-{data.format}"] = documents
            documents = []
        if data.hold_out:
            dev[f"{Path(data.path).name}-held-out"] = [d for d in documents if held_out(d.id)]
            documents = [d for d in documents if not held_out(d.id)]
        training.append(spread(documents, data.share) * data.repeat)
    return training, dev


def spread(documents: Sequence[LabelledDocument], share: float) -> list[LabelledDocument]:
    """A share of the documents, taken evenly from front to end."""
    return [d for i, d in enumerate(documents) if int((i + 1) * share) > int(i * share)]


def model_config(training: Sequence[Sequence[LabelledDocument]], window: int, dropout: float) -> ModelConfig:
    """The model's heads: the labels that some set annotates, those of the schema in its order, and events where some
    set marks them. A label that none annotates would be predicted at random."""
    names = schema()
    found = {label for documents in training for d in documents for label in d.annotates}
    entities = [*(label for label in names.entities if label in found), *sorted(found - set(names.entities))]
    events, modalities, roles = names.events, names.modalities, names.roles
    if not any(d.events for documents in training for d in documents):
        events, modalities, roles = {}, {}, {}
    return ModelConfig(tuple(entities), tuple(events), tuple(modalities), tuple(roles), window=window, dropout=dropout)
