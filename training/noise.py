"""Faults of real pages and other names, put into labelled documents on purpose.

Takes a labelled document and a random generator; gives another one whose spans still fit its text. Knows nothing of
models.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import yaml

from arnews.datasets import LabelledDocument, make_entity, sentence_offsets
from arnews.document import Document
from arnews.text import clean, flat_surface

NAMES = Path(__file__).with_name("names.yaml")
_FAULTS = {"أ": "ا", "إ": "ا", "آ": "ا"}  # anywhere in a word
_LAST = {"ى": "ي", "ي": "ى", "ة": "ه"}  # on its last letter

Edit = tuple[int, int, str]  # start, end and what stands there instead


Pools = dict[str, tuple[list[str], ...]]  # of each label, lists of names: one of them is drawn, then a name of it


def name_pools(documents: Sequence[LabelledDocument]) -> Pools:
    """The names of `names.yaml` and, for its labels, the distinct names in these training documents."""
    found: dict[str, set[str]] = defaultdict(set)
    for item in documents:
        for entity in item.document.entities:
            found[entity.label].add(entity.name)
    listed = yaml.safe_load(NAMES.read_text(encoding="utf-8"))
    lists = {label: [name.strip() for name in names.split("،")] for label, names in listed.items()}
    return {label: (names, sorted(found[label]) or names) for label, names in lists.items()}


def perturb(labelled: LabelledDocument, rng: Random, pools: Pools, faults: float, swaps: float) -> LabelledDocument:
    """The document with about the share `faults` of its words misspelt as on real pages (a missing hamza, ya for alef
    maqsura and ha for ta marbuta or the reverse, a waw with a space after it), and the share `swaps` of its names
    replaced by others of their label."""
    document = labelled.document
    edits = _swaps(document, rng, pools, swaps)
    taken = [(start, end) for start, end, _ in edits]
    starts = {e.start for e in document.entities} | {e.start for e in document.events}
    cleaned = clean(document.text)
    for left, right in cleaned.words():
        start, end = cleaned.to_raw(left, right)
        if rng.random() < faults and not any(a < end and start < b for a, b in taken):
            edits += _fault(document.text, start, end, start + 1 in starts, rng)
    return replace(labelled, document=apply(document, sorted(edits)))


def _swaps(document: Document, rng: Random, pools: Pools, share: float) -> list[Edit]:
    out: list[Edit] = []
    spans = [(e.start, e.end) for e in document.entities] + [(e.start, e.end) for e in document.events]
    for e in document.entities:
        if e.label not in pools or rng.random() >= share:
            continue
        alone = sum(a < e.end and e.start < b for a, b in spans) == 1
        if not alone or e.name != flat_surface(e.text):
            continue
        name = rng.choice(rng.choice(pools[e.label]))
        if document.text[max(0, e.start - 1) : e.start] == "ل" and name.startswith("ال"):
            name = name[1:]  # written للصين
        out.append((e.start, e.end, name))
    return out


def _fault(text: str, start: int, end: int, waw_is_cut: bool, rng: Random) -> list[Edit]:
    word = text[start:end]
    if waw_is_cut and word[0] == "و":
        return [(start + 1, start + 1, " ")]
    if word[-1] in _LAST and len(word) > 2 and rng.random() < 0.5:
        return [(end - 1, end, _LAST[word[-1]])]
    places = [i for i, char in enumerate(word) if char in _FAULTS]
    return [(start + i, start + i + 1, _FAULTS[word[i]]) for i in places[:1]]


def apply(document: Document, edits: Sequence[Edit]) -> Document:
    """The document with these edits, sorted and apart, made in its text; no span starts or ends inside one."""
    text, at = "", 0
    lengths = [0]  # how much longer the text is after each edit
    for start, end, new in edits:
        text += document.text[at:start] + new
        at = end
        lengths.append(lengths[-1] + len(new) - (end - start))
    text += document.text[at:]
    begins, ends = [e[0] for e in edits], [e[1] for e in edits]

    def moved(start: int, end: int) -> tuple[int, int]:
        return start + lengths[bisect_right(ends, start)], end + lengths[bisect_left(begins, end)]

    entities = {id(e): make_entity(text, *moved(e.start, e.end), e.label) for e in document.entities}
    events = []
    for event in document.events:
        start, end = moved(event.start, event.end)
        links = tuple(replace(a, entity=entities[id(a.entity)]) for a in event.arguments)
        events.append(replace(event, trigger=text[start:end], start=start, end=end, arguments=links))
    return Document(text, tuple(entities.values()), tuple(events), sentence_offsets(text))
