"""The tag set, read from schema.yaml once.

Takes nothing; gives the labels in their fixed order, their definitions and their mappings.
Knows nothing of texts, models or files other than schema.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

PATH = Path(__file__).with_name("schema.yaml")


@dataclass(frozen=True, slots=True)
class Label:
    """One label of the tag set: an entity label, event type, modality or role.

    >>> schema().entities["GPE"].en
    'A country, region or city with a government or population, also as an actor.'
    """

    name: str
    group: str
    en: str
    ar: str
    examples: tuple[str, ...]
    map: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Source:
    """How the labels of a public data set read in ours (empty: none of ours, or unknown which; several: any of them).
    `ignores`: parts of spans that have no meaning of their own."""

    annotates: tuple[str, ...]
    labels: dict[str, tuple[str, ...]]
    ignores: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """The whole tag set; the order of each dict is the order of the model's outputs.

    >>> len(schema().entities), len(schema().events), len(schema().modalities), len(schema().roles)
    (19, 31, 4, 5)
    """

    entities: dict[str, Label]
    events: dict[str, Label]
    modalities: dict[str, Label]
    roles: dict[str, Label]
    sources: dict[str, Source]
    proclitics: tuple[str, ...]
    names: frozenset[str]


def _labels(section: dict[str, dict]) -> dict[str, Label]:  # type: ignore[type-arg]
    return {
        name: Label(
            name=name,
            group=entry["group"],
            en=entry["en"],
            ar=entry["ar"],
            examples=tuple(str(e) for e in entry["examples"]),
            map={other: tuple(names) for other, names in entry.get("map", {}).items()},
        )
        for name, entry in section.items()
    }


@lru_cache(maxsize=1)
def schema() -> Schema:
    """The schema, read on first use and shared."""
    raw = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    sources = {}
    for name, entry in raw["sources"].items():
        labels = {theirs: tuple([ours] if isinstance(ours, str) else ours) for theirs, ours in entry["labels"].items()}
        sources[name] = Source(
            annotates=tuple(entry["annotates"]),
            labels={theirs: tuple(o for o in ours if o) for theirs, ours in labels.items()},
            ignores=tuple(entry.get("ignores", ())),
        )
    return Schema(
        entities=_labels(raw["entities"]),
        events=_labels(raw["events"]),
        modalities=_labels(raw["modalities"]),
        roles=_labels(raw["roles"]),
        sources=sources,
        proclitics=tuple(raw["proclitics"]),
        names=frozenset(word for line in raw["names"] for word in line.split()),
    )
