from __future__ import annotations

import gc
import itertools
import pickle
import random
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arnews import ArnewsError, Document, ModelError, Tagger
from arnews.document import Entity
from tests.conftest import LookupRuntime, news
from tests.test_text import MIXED

EDGES = [
    "", " ", "\n\n", "،؛؟!...", "ًٌٍَُِّْ", "\u200f", "ا", "ـ" * 10_000, "ا" * 100_000, "iPhone 15 وصل إلى UN",
    "1234567890", "[" * 1_000, "\x00", "\ud800\udc00\ud800", "\U000e0041\U0010ffff\u0378", "👩‍👧 قال 🇸🇾", "ﷺﷲﻻ", "و", "ب" * 3,
    "\ufeff\u2067نص\u2069", "a\r\nb\rc\u2028d", "#غزة_تحت_القصف @UN www.un.org",
]  # fmt: skip


@pytest.fixture(scope="module")
def tagger(exported: Path) -> Tagger:
    return Tagger(exported)


def check_spans(document: Document, text: str) -> None:
    """R1 and R2: the text is the one given, and every span slices back to its surface."""
    assert document.text is text and document.coverage == 1.0
    spans = [(e.start, e.end, e.text) for e in document.entities]
    spans += [(e.start, e.end, e.trigger) for e in document.events]
    for start, end, surface in spans:
        assert 0 <= start < end <= len(text) and text[start:end] == surface
    for first, (a, b, _) in enumerate(spans[: len(document.entities)]):  # entities nest and never cross
        for c, d, _ in spans[first + 1 : len(document.entities)]:
            if c >= b:
                break
            assert a <= c and d <= b and (a, b) != (c, d)
    for _, _, surface in spans:
        assert surface[-1] not in "،؛:.!؟?,;([{«-" and surface[0] not in "،؛:.!؟?,;)]}"
    known = {id(e) for e in document.entities}
    assert all(id(argument.entity) in known for event in document.events for argument in event.arguments)


@settings(max_examples=5_000, deadline=None)
@given(st.lists(MIXED, min_size=1, max_size=4).map(" ".join))
def test_r1_r2_every_span_slices_back(tagger: Tagger, text: str) -> None:
    check_spans(tagger(text), text)


def test_r1_the_random_model_predicts_everywhere(tagger: Tagger) -> None:
    """The property above would be empty with a model that finds nothing."""
    documents = list(tagger.pipe(news(50)))
    assert sum(len(d.entities) for d in documents) > 500 and sum(len(d.events) for d in documents) > 50
    assert sum(len(e.arguments) for d in documents for e in d.events) > 50


@pytest.mark.parametrize("length", [100, 1_000, 10_000, 100_000, 1_000_000])
@pytest.mark.parametrize("filler", ["خبر ", "خبر. ", "خبر"])
def test_r4_nothing_is_cut(tagger: Tagger, length: int, filler: str) -> None:
    target = tagger.folder.tokenizer.token_to_id("1")
    fake = Tagger(tagger.folder.path)
    fake._runtime = LookupRuntime(target, fake.config)
    text = (filler * length)[: length - 2] + " 1"
    document = fake(text)
    assert document.entities == (Entity("1", "PERS", length - 1, length, pytest.approx(1, abs=0.1), "1"),)
    assert document.coverage == 1.0


def test_r4_twenty_thousand_words_are_read_to_the_last(tagger: Tagger) -> None:
    text = " ".join(news(700, low=30, high=40))
    assert len(text.split()) > 20_000
    document = tagger(text)
    check_spans(document, text)
    assert document.sentences[-1][1] == len(text.rstrip())
    assert max(e.end for e in document.entities) > len(text) * 0.99


def same(left: Document, right: Document, tolerance: float) -> None:
    strip = [[(e.start, e.end, e.label) for e in d.entities] for d in (left, right)]
    assert strip[0] == strip[1]
    events = [
        [(e.start, e.end, e.type, e.modality, [(a.role, a.entity.start) for a in e.arguments]) for e in d.events]
        for d in (left, right)
    ]
    assert events[0] == events[1]
    for a, b in zip(left.entities + left.events, right.entities + right.events, strict=True):
        assert abs(a.score - b.score) <= tolerance


def test_r6_batches_do_not_change_answers() -> None:
    """The bundled int8 model: each row of activations is quantised by itself, so answers are equal to the bit."""
    texts = news(500, seed=6, low=1, high=150)
    expected = list(Tagger().pipe(texts))
    for budget in (1, 7 * 64, 64 * 64):
        assert list(Tagger(token_budget=budget).pipe(texts)) == expected
    order = list(range(len(texts)))
    random.Random(0).shuffle(order)
    for i, document in zip(order, Tagger().pipe(texts[i] for i in order), strict=True):
        assert document == expected[i]


def test_r6_fp32_batches_do_not_change_answers() -> None:
    """With trained weights: those of the random model lie so close together that rounding decides."""
    texts, torch_tagger = news(100, seed=6, low=1, high=100), Tagger(dtype="fp32")
    for left, right in zip([torch_tagger(text) for text in texts], torch_tagger.pipe(texts), strict=True):
        same(left, right, 1e-4)


def test_r4_coverage_counts_the_words_that_were_read(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tagger that loses its last window says so."""
    import arnews.tagger

    whole = arnews.tagger.windows
    monkeypatch.setattr(arnews.tagger, "windows", lambda *a: whole(*a)[:-1])
    assert 0.5 < tagger(" ".join(news(20))).coverage < 1.0


@pytest.mark.parametrize("text", [*(text[:500] for text in EDGES), *news(5)])
def test_r7_one_is_many(tagger: Tagger, text: str) -> None:
    assert tagger(text) == next(tagger.pipe([text])) == tagger([text])[0]


@pytest.mark.parametrize("text", EDGES)
def test_r8_edge_inputs(tagger: Tagger, text: str) -> None:
    check_spans(tagger(text), text)


@pytest.mark.parametrize("text", ["[" * 10_000, "ا" * 1_000_000, "()" * 5_000, "\ud800" * 1_000, "🇸🇾" * 10_000])
def test_r8_large_nonsense_is_read_by_the_bundled_model(text: str) -> None:
    check_spans(Tagger()(text), text)


@pytest.mark.parametrize("text", ["", " ", "\u200f", "ًٌٍ", "\n"])
def test_r8_nothing_to_read_gives_an_empty_document(tagger: Tagger, text: str) -> None:
    assert tagger(text) == Document(text)


@pytest.mark.parametrize(
    ("value", "fix"),
    [(None, "''"), (b"x", "decode"), (Path("a.txt"), "read_text"), (3, "int"), ([1], "int"), ({"text": "a"}, "field")],
)
def test_r8_other_types_are_refused(tagger: Tagger, value: object, fix: str) -> None:
    with pytest.raises(TypeError, match=fix):
        tagger(value)  # type: ignore[call-overload]


def test_r8_no_texts_no_documents(tagger: Tagger) -> None:
    assert tagger([]) == [] and list(tagger.pipe(iter(()))) == []


def test_r13_threads_agree() -> None:
    shared, texts = Tagger(), news(500, seed=13, low=1, high=80)
    expected = list(Tagger().pipe(texts))
    differences: list[int] = []

    def work(seed: int) -> None:
        order = list(range(len(texts)))
        random.Random(seed).shuffle(order)
        for i in order:
            if shared(texts[i]) != expected[i]:
                differences.append(i)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert differences == []


def test_r17_pipe_is_lazy_and_bounded(tagger: Tagger) -> None:
    pulled = itertools.count()
    words = []

    def endless() -> object:
        for text in itertools.cycle(news(20, low=40, high=60)):
            next(pulled)
            words.append(len(text.split()))
            yield text

    for _ in itertools.islice(tagger.pipe(endless()), 1000):  # type: ignore[arg-type]
        pass
    assert sum(words[1000:]) <= 2 * 8192


def test_r18_documents_hold_no_arrays(tagger: Tagger) -> None:
    found: list[object] = [tagger(news(1)[0])]
    seen: set[int] = set()
    while found:
        value = found.pop()
        assert not isinstance(value, np.ndarray | np.generic) and type(value).__module__ != "torch"
        for inner in gc.get_referents(value):
            if id(inner) not in seen and not isinstance(inner, type):
                seen.add(id(inner))
                found.append(inner)


def test_r20_import_is_light() -> None:
    code = "import sys, arnews; print([m for m in ('torch', 'transformers', 'onnxruntime') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_tagger_runs_without_torch() -> None:
    code = "import sys; from arnews import Tagger; Tagger()('قال'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_documents_pickle_and_turn_to_json(tagger: Tagger) -> None:
    import json

    document = tagger(news(1, low=60, high=60)[0])
    assert document.events and document.entities
    assert pickle.loads(pickle.dumps(document)) == document
    assert Document.from_dict(json.loads(json.dumps(document.to_dict()))) == document
    with pytest.raises(AttributeError):
        document.text = "x"  # type: ignore[misc]


def test_conll_has_a_line_for_each_word(tagger: Tagger) -> None:
    document = tagger(news(1, low=60, high=60)[0])
    lines = document.to_conll().split("\n\n")
    assert len(lines) - 1 == len(document.sentences)
    rows = [line.split("\t") for line in document.to_conll().splitlines() if line]
    assert len(rows) == len(document.words()) and {len(row) for row in rows} == {3}
    for layer in (1, 2):
        assert {tag.split("-")[0] for row in rows for tag in row[layer].split("|")} <= {"O", "B", "I"}


def test_tagger_pickles_as_its_arguments(tagger: Tagger) -> None:
    text = news(1)[0]
    assert pickle.loads(pickle.dumps(tagger))(text) == tagger(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(" ".join(news(3)).split()), MIXED), max_size=30), st.booleans())
def test_tag_words_gives_one_tag_each(tagger: Tagger, words: list[str], events: bool) -> None:
    tags = tagger.tag_words(words, events=events)
    assert len(tags) == len(words)
    for before, tag in zip(["O", *tags], tags, strict=False):
        assert tag == "O" or tag[:2] == "B-" or (tag[:2] == "I-" and before[2:] == tag[2:])


def test_tag_words_refuses_a_text(tagger: Tagger) -> None:
    with pytest.raises(TypeError, match="list of words"):
        tagger.tag_words("نص")


@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_tagger_runs_in_torch(trained: Path, dtype: str) -> None:
    for text in [*EDGES[:6], *news(5)]:
        check_spans(Tagger(trained, dtype=dtype)(text), text)


def test_tagger_names_the_dtypes_it_knows(trained: Path) -> None:
    with pytest.raises(ValueError, match="fp32, bf16, fp16"):
        Tagger(trained, dtype="int4")


@pytest.mark.parametrize("device", ["abacus", "cuda:99"])
def test_tagger_says_that_a_device_cannot_be_used(trained: Path, device: str) -> None:
    with pytest.raises(ArnewsError, match="use device='cpu'"):
        Tagger(trained, device=device)


def test_tagger_says_that_a_hub_model_cannot_be_had() -> None:
    with pytest.raises(ModelError, match="the hub did not give it"):
        Tagger("no-such-owner/no-such-model")


def test_tagger_saves_a_copy(exported: Path, tmp_path: Path) -> None:
    Tagger(exported).save_pretrained(tmp_path / "copy")
    text = news(1)[0]
    assert Tagger.from_pretrained(tmp_path / "copy")(text) == Tagger(exported)(text)


def test_tagger_reads_a_name_without_proclitics() -> None:
    document = Tagger()("وقال الرئيس إن الوفد وصل للصين وبالقاهرة")
    for entity in document.entities:
        assert not entity.name.startswith(("لل", "وب"))
