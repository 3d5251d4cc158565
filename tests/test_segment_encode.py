from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from arnews.encode import LENGTH_STEP, MAX_PIECES, Special, WordEncoder, batches
from arnews.segment import MAX_SENTENCE, sentence_bounds, windows
from arnews.text import clean, word_spans
from tests.conftest import make_tokenizer


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> WordEncoder:
    return WordEncoder(Tokenizer.from_file(str(make_tokenizer(tmp_path_factory.mktemp("t") / "tokenizer.json"))))


def sentences(text: str) -> list[str]:
    words = word_spans(text)
    return [text[words[a][0] : words[b - 1][1]] for a, b in sentence_bounds(text, words)]


def test_segment_ends_sentences_where_a_reader_does() -> None:
    text = 'قال د. سامي: "انتهى الأمر." ثم غادر. هل يعود؟! لا أحد يعلم، بلغ السعر 12.5 دولار.\nخبر جديد'
    assert sentences(text) == [
        'قال د. سامي: "انتهى الأمر."', "ثم غادر.", "هل يعود؟!", "لا أحد يعلم، بلغ السعر 12.5 دولار.", "خبر جديد",
    ]  # fmt: skip


@given(st.text(st.sampled_from('اب ج.؟!\n"1'), max_size=80))
def test_segment_puts_every_word_in_one_sentence(text: str) -> None:
    words = word_spans(clean(text).clean)
    bounds = sentence_bounds(clean(text).clean, words)
    assert [i for a, b in bounds for i in range(a, b)] == list(range(len(words)))
    assert all(a < b for a, b in bounds)


def test_segment_cuts_text_without_an_end() -> None:
    words = word_spans("كلمة " * 5000)
    bounds = sentence_bounds("كلمة " * 5000, words)
    assert max(b - a for a, b in bounds) == MAX_SENTENCE and bounds[-1][1] == 5000


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[tuple[int, int]], np.ndarray, int]:
    pieces = draw(st.lists(st.integers(1, 8), min_size=1, max_size=80))
    cuts = sorted({0, len(pieces), *draw(st.lists(st.integers(0, len(pieces)), max_size=8))})
    return list(itertools.pairwise(cuts)), np.array(pieces), draw(st.integers(8, 40))


@given(layouts())
def test_r4_windows_keep_every_word_once(layout: tuple[list[tuple[int, int]], np.ndarray, int]) -> None:
    bounds, pieces, limit = layout
    found = windows(bounds, pieces, limit)
    assert [i for w in found for i in range(w.keep_first, w.keep_last)] == list(range(len(pieces)))
    for w in found:
        assert w.first <= w.keep_first <= w.keep_last <= w.last
        assert pieces[w.first : w.last].sum() <= limit


@given(layouts(), st.integers(16, 200))
def test_r22_batches_stay_in_the_token_budget(
    layout: tuple[list[tuple[int, int]], np.ndarray, int], budget: int
) -> None:
    bounds, counts, limit = layout
    spans = windows(bounds, counts, limit)
    pieces = np.arange(100, 100 + counts.sum())
    seen = []
    for batch in batches(pieces, counts, spans, Special(1, 2, 0), budget):
        assert batch.ids.size <= budget or len(batch.ids) == 1
        assert batch.ids.shape[1] % LENGTH_STEP == 0
        assert ((batch.ids == 0) == (batch.mask == 0)).all()
        flat = batch.ids.reshape(-1)
        before = np.concatenate([[0], np.cumsum(counts)])
        kept = batch.words >= 0
        assert (flat[batch.first[kept]] == pieces[before[batch.words[kept]]]).all()
        assert (flat[batch.last[kept]] == pieces[before[batch.words[kept] + 1] - 1]).all()
        seen.extend(batch.words[kept].tolist())
    assert sorted(seen) == list(range(len(counts)))


def test_r22_little_of_news_is_padding() -> None:
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(2.9, 0.6, 2000).astype(int), 2, 120)  # sentences of news, in words
    cuts = np.concatenate([[0], np.cumsum(lengths)])
    counts = rng.choice([1, 2, 3], p=[0.65, 0.25, 0.1], size=cuts[-1])
    bounds = list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    spans = windows(bounds, counts, 126)
    made = list(batches(np.ones(counts.sum(), int), counts, spans, Special(1, 2, 0), 4096))
    padded = sum(b.ids.size for b in made)
    assert 1 - sum(int(b.mask.sum()) for b in made) / padded <= 0.15


@settings(max_examples=200)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), max_size=20))
def test_encode_gives_each_word_its_pieces(encoder: WordEncoder, words: list[str]) -> None:
    pieces, counts = encoder(words)
    assert len(counts) == len(words) and (counts >= 1).all() and counts.sum() == len(pieces)
    again, _ = encoder(words)
    assert (pieces == again).all()


def test_encode_bounds_a_word(encoder: WordEncoder) -> None:
    _, counts = encoder(["1" * 100, "ابتث" * 25])
    assert counts.max() <= MAX_PIECES
