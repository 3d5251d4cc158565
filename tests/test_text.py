from __future__ import annotations

import itertools
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arnews.text import _SINGLE, clean, proclitic_length, restore_alef, word_spans

MIXED = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("وفبلكا أإآىيةهـًٌٍَُِّْٰ\u200f\u200e\u202b\u2066\u200c\ufeff\xad\xa0\r\n\t٠١٢۳٪ﷺﻻﷲ…«»“”،؛؟🇸🇾👩‍👧"),
    ),
    max_size=60,
)


def test_text_cleans_a_scraped_line_and_points_back() -> None:
    raw = "\u200fوَصَلَ ﻣﺤﻤّـــد\xa0إلى «القاهرة» في ٢٠٢٣\r\n"
    text = clean(raw)
    assert text.clean == 'وصل محمد إلى "القاهرة" في 2023\n'
    start = text.clean.index("محمد")
    assert raw[slice(*text.to_raw(start, start + 4))] == "ﻣﺤﻤّـــد"
    start = text.clean.index("وصل")
    assert raw[slice(*text.to_raw(start, start + 3))] == "وَصَلَ"


@settings(max_examples=20_000, deadline=None)
@given(MIXED)
def test_r3_offset_map_round_trip(raw: str) -> None:
    text = clean(raw)
    assert text.raw is raw
    assert len(text.starts) == len(text.ends) == len(text.clean)
    previous = 0
    for char, start, end in zip(text.clean, text.starts.tolist(), text.ends.tolist(), strict=True):
        assert previous <= start < end <= len(raw)
        previous = start
        source = raw[start]
        listed = "".join(_SINGLE.get(c, c) for c in unicodedata.normalize("NFKC", source))
        assert char == source or char in listed or char in " \ufffd\n"


@settings(max_examples=20_000, deadline=None)
@given(MIXED)
def test_r12_cleaning_is_idempotent(raw: str) -> None:
    once = clean(raw).clean
    assert clean(once).clean == once


@given(MIXED)
def test_text_words_cover_all_but_spaces(raw: str) -> None:
    cleaned = clean(raw).clean
    spans = word_spans(cleaned)
    covered = "".join(cleaned[a:b] for a, b in spans)
    assert covered == "".join(cleaned.split())
    assert all(b <= c for (_, b), (c, _) in itertools.pairwise(spans))


def test_text_gives_clean_offsets_of_raw_spans() -> None:
    raw = "في الـ24 ساعة"
    text = clean(raw)
    start = raw.index("24")
    assert text.clean[slice(*text.to_clean(start, start + 2))] == "24"


@pytest.mark.parametrize(
    ("word", "letters"),
    [("وموسكو", 1), ("للصين", 1), ("وبالقاهرة", 2), ("وائل", 0), ("بيروت", 0), ("لبنان", 0), ("كندا", 0)],
)
def test_text_knows_proclitics_of_known_names(word: str, letters: int) -> None:
    assert proclitic_length(word) == letters


@pytest.mark.parametrize(
    ("surface", "before", "name"),
    [("لصين", "ل", "الصين"), ("لأمم المتحدة", "ول", "الأمم المتحدة"), ("لبنان", "ل", "لبنان"), ("صين", "", "صين")],
)
def test_text_restores_the_alef_of_the_article(surface: str, before: str, name: str) -> None:
    assert restore_alef(surface, before) == name


@pytest.mark.parametrize("pattern", ["ـ", "[", "(((", "...", "«»", "1,", "و ", "\u200f", "ﷺ", "a.b@", "؟!", "٠٫"])
def test_r19_cleaning_and_words_are_linear(pattern: str) -> None:
    """A quadratic step would take hours on a million characters: the run ends at all, that is the test."""
    text = pattern * (1_000_000 // len(pattern))
    started = time.process_time()
    word_spans(clean(text).clean)
    print(f"{pattern!r}: {time.process_time() - started:.2f} s")
