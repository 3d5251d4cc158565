"""How varied documents are: names, sentence lengths, openings, copies.

Takes labelled documents, and raw text to compare with; gives plain numbers and Markdown. Knows nothing of models.
"""

from __future__ import annotations

import lzma
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from arnews.datasets import LabelledDocument, sentence_offsets
from arnews.document import Document
from arnews.text import clean

SAMPLE_WORDS = 100_000  # distinct words are counted in a sample of this size
OPENINGS = 10
NGRAM = 5
_NAMES = {"PERS": ("PERS",), "ORG": ("ORG",), "GPE, LOC, FAC": ("GPE", "LOC", "FAC")}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence's words without punctuation, and whether an event stands in it."""

    words: tuple[str, ...]
    event: bool


def read_raw(path: Path) -> list[Document]:
    """The documents of a raw text file (.xz is read as such): one paragraph a line, a blank line between documents."""
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        texts = (text.strip("\n") for text in file.read().split("\n\n"))
        return [Document(text, (), (), ()) for text in texts if text.strip()]


def sample(documents: Sequence[Document], words: int) -> list[Document]:
    """Documents drawn in an order that is always the same, until they hold so many words."""
    out, total = [], 0
    for index in random.Random(0).sample(range(len(documents)), len(documents)):
        if total >= words:
            break
        out.append(documents[index])
        total += len(documents[index].text.split())
    return out


def sentences(document: Document) -> list[Sentence]:
    """The sentences of a document that hold a letter."""
    out = []
    for start, end in document.sentences or sentence_offsets(document.text):
        cleaned = clean(document.text[start:end])
        words = tuple(w for a, b in cleaned.words() if (w := cleaned.clean[a:b]).isalnum())
        if any(word.isalpha() for word in words):
            out.append(Sentence(words, any(start <= e.start < end for e in document.events)))
    return out


def measure(documents: Sequence[Document], words: int = SAMPLE_WORDS) -> dict[str, float]:
    """The figures of the documents; those that grow with the amount of text, distinct words and openings, of a sample
    of about `words` words; those of marks only where there are any."""
    drawn = sample(documents, words)
    some = [s for document in drawn for s in sentences(document)]
    found = [s for document in documents for s in sentences(document)]
    lengths = sorted(len(s.words) for s in found)
    openings = Counter(" ".join(s.words[:2]) for s in some)
    out = {
        "words in the sample": sum(len(d.text.split()) for d in drawn),
        "distinct words": len({word for s in some for word in s.words}),
        "share of the ten most frequent openings, %": round(
            100 * sum(n for _, n in openings.most_common(OPENINGS)) / max(1, len(some)), 2
        ),
        "words a sentence, mean": round(sum(lengths) / max(1, len(lengths)), 1),
        "words a sentence, median": lengths[len(lengths) // 2] if lengths else 0,
    }
    entities, events = sum(len(d.entities) for d in documents), sum(len(d.events) for d in documents)
    if entities and events:
        total = sum(len(d.text.split()) for d in documents)
        out |= {
            "sentences without an event, %": round(100 * sum(not s.event for s in found) / len(found), 1),
            "paragraphs without an entity, %": round(100 * _without_entity(documents), 1),
            "words an entity": round(total / entities, 1),
            "words an event": round(total / events, 1),
        }
    return out


def _without_entity(documents: Sequence[Document]) -> float:
    empty = count = 0
    for document in documents:
        start = 0
        for line in document.text.split("\n"):
            count += 1
            empty += not any(start <= e.start < start + len(line) for e in document.entities)
            start += len(line) + 1
    return empty / max(1, count)


def surfaces(documents: Sequence[LabelledDocument], labels: Sequence[str]) -> set[str]:
    """The distinct names of these labels, in their clean form."""
    return {e.name for item in documents for e in item.document.entities if e.label in labels}


def copies(documents: Sequence[LabelledDocument]) -> list[tuple[str, str, str]]:
    """Pairs of sentences of different documents that share more than half of the shorter one's word 5-grams: both
    documents' ids and the shorter sentence."""
    grams: list[tuple[str, str, set[tuple[str, ...]]]] = []
    index: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for item in documents:
        for sentence in sentences(item.document):
            words = sentence.words
            own = {words[i : i + NGRAM] for i in range(len(words) - NGRAM + 1)}
            for gram in own:
                index[gram].append(len(grams))
            if own:
                grams.append((item.id, " ".join(words), own))
    shared: Counter[tuple[int, int]] = Counter()
    for places in index.values():
        shared.update((a, b) for a, b in combinations(places, 2) if grams[a][0] != grams[b][0])
    out = []
    for (a, b), count in sorted(shared.items()):
        short = min(grams[a], grams[b], key=lambda g: len(g[2]))
        if count > len(short[2]) / 2:
            out.append((grams[a][0], grams[b][0], short[1]))
    return out


def variety_tables(splits: Mapping[str, Sequence[LabelledDocument]], raw: Sequence[Document] = ()) -> str:
    """The figures as Markdown; beside them those of a sample of `raw` of the same size, where it is given."""
    whole = [item for documents in splits.values() for item in documents]
    words = min(SAMPLE_WORDS, sum(len(item.document.text.split()) for item in whole))
    columns = {"here": measure([item.document for item in whole], words)}
    if raw:
        columns["compared"] = measure(raw, words)
    out = [f"| variety | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for key in columns["here"]:
        out.append(f"| {key} | {' | '.join(f'{c[key]:,}' if key in c else '' for c in columns.values())} |")
    out += [
        f"| sentences that share half their words with another document's | {len(copies(whole))} |" + " |" * bool(raw)
    ]
    out += ["", "| names | distinct | of the test's, never in train, % |", "|---|---|---|"]
    for name, labels in _NAMES.items():
        test, train = (surfaces(splits.get(split, ()), labels) for split in ("test", "train"))
        unseen = f"{100 * len(test - train) / len(test):.0f}" if test and train else ""
        out.append(f"| {name} | {len(surfaces(whole, labels)):,} | {unseen} |")
    return "\n".join([*out, ""])
