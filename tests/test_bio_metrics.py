from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from arnews import metrics
from arnews.bio import legal_tags, spans_from_tags, tags_from_spans
from arnews.decode import Spans, nested
from arnews.document import Argument, Document, Entity, Event

WILD = st.one_of(st.floats(-50, 50, width=32), st.sampled_from([0.0, 1.0, float("inf"), float("-inf"), float("nan")]))


@settings(max_examples=10_000, deadline=None)
@given(st.data())
def test_r9_only_legal_paths(data: st.DataObject) -> None:
    words, layers, types = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    shape = (words, layers, 1 + 2 * types)
    if data.draw(st.booleans()):
        scores = data.draw(arrays(np.float32, shape, elements=WILD))
    else:
        scores = np.random.default_rng(data.draw(st.integers(0, 2**32))).normal(size=shape)
    breaks = np.array([True, *data.draw(st.lists(st.booleans(), min_size=words - 1, max_size=words - 1))])
    tags = legal_tags(scores, breaks)
    for layer in range(layers):
        column = tags[:, layer]
        for i, tag in enumerate(column.tolist()):
            if tag and tag % 2 == 0:
                assert i > 0 and not breaks[i] and column[i - 1] in (tag, tag - 1)
        spans = spans_from_tags(column, breaks)
        assert (spans[:, 0] < spans[:, 1]).all() and (spans[1:, 0] >= spans[:-1, 1]).all()
        assert (tags_from_spans(spans.tolist(), words) == column).all()


def test_bio_finds_the_best_legal_path() -> None:
    """An inside without a beginning: the word before is worth less than the inside, so it becomes the beginning."""
    scores = np.log([[[0.5, 0.4, 0.1]], [[0.1, 0.1, 0.8]], [[0.9, 0.05, 0.05]]])
    breaks = np.array([True, False, False])
    assert legal_tags(scores, breaks)[:, 0].tolist() == [1, 2, 0]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6), st.floats(0, 1)), max_size=12))
def test_r9_kept_spans_never_cross(raw: list[tuple[int, int, float]]) -> None:
    first = np.array([a for a, _, _ in raw], dtype=np.int64)
    last = first + np.array([n for _, n, _ in raw], dtype=np.int64)
    zero = np.zeros(len(raw), dtype=np.int64)
    kept = nested(Spans(first, last, zero, np.array([s for *_, s in raw], dtype=float), zero))
    spans = [(int(first[i]), int(last[i])) for i in kept]
    assert len(set(spans)) == len(spans) and spans == sorted(spans, key=lambda s: (s[0], -s[1]))
    for a in spans:
        for b in spans:
            assert not a[0] < b[0] < a[1] < b[1]
    assert bool(raw) == bool(spans)


def tagged(tags: list[str]) -> Document:
    """A document of one-letter words with the entities that IOB2 tags say."""
    text = " ".join("ا" * len(tags))
    entities: list[Entity] = []
    for i, tag in enumerate(tags):
        prefix, _, label = tag.partition("-")
        if prefix == "B":
            entities.append(Entity("ا", label, 2 * i, 2 * i + 1, 1.0, "ا"))
        elif prefix == "I":
            start = entities.pop().start
            entities.append(Entity(text[start : 2 * i + 1], label, start, 2 * i + 1, 1.0, ""))
    return Document(text, tuple(entities))


def random_tags(rng: np.random.Generator, length: int) -> list[str]:
    tags: list[str] = []
    for _ in range(length):
        can_go_on = bool(tags) and tags[-1] != "O"
        kind = rng.choice(["O", "B", "I"]) if can_go_on else rng.choice(["O", "B"])
        tags.append("O" if kind == "O" else "I-" + tags[-1][2:] if kind == "I" else "B-" + rng.choice(["PERS", "GPE"]))
    return tags


def test_r10_f1_equals_seqeval() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        lengths = rng.integers(1, 12, size=rng.integers(1, 5))
        gold = [random_tags(rng, n) for n in lengths]
        predicted = [random_tags(rng, n) for n in lengths]
        ours = metrics.score([tagged(t) for t in gold], [tagged(t) for t in predicted], metrics.entity_items).f1
        theirs = f1_score(gold, predicted, mode="strict", scheme=IOB2, zero_division=0)
        assert abs(ours - theirs) < 1e-9


def test_metrics_of_a_worked_example() -> None:
    entity = Entity("مصر", "GPE", 0, 3, 1.0, "مصر")
    other = Entity("مصر", "LOC", 0, 3, 1.0, "مصر")
    gold = Document(
        "مصر ترحب", (entity,), (Event("ترحب", "SUPPORT", "actual", 4, 8, 1.0, (Argument("AGENT", entity, 1.0),)),)
    )
    wrong = Document(
        "مصر ترحب", (other,), (Event("ترحب", "SUPPORT", "planned", 4, 8, 1.0, (Argument("TARGET", other, 1.0),)),)
    )
    assert metrics.score([gold], [gold], metrics.argument_items) == metrics.Score(1, 1, 1)
    assert metrics.score([gold], [wrong], metrics.entity_items) == metrics.Score(0, 1, 1)
    assert metrics.score([gold], [wrong], metrics.trigger_items).f1 == 1.0
    assert metrics.modality_accuracy([gold], [wrong]) == metrics.Score(0, 1, 1)
    assert metrics.score([gold], [wrong], metrics.argument_items).f1 == 0.0
    assert metrics.score_by_label([gold], [wrong], metrics.entity_items) == {
        "GPE": metrics.Score(0, 0, 1), "LOC": metrics.Score(0, 1, 0),
    }  # fmt: skip
    with pytest.raises(ValueError, match="texts differ"):
        metrics.score([gold], [Document("غير ذلك")], metrics.entity_items)
