from __future__ import annotations

import itertools

import pytest

from arnews.conll import read_conll
from arnews.datasets import CORPUS, SPLITS, corpus, gold_document
from arnews.markup import read_file, read_folder, write
from arnews.schema import schema
from arnews.stats import counts, tables, totals
from arnews.tagger import read
from arnews.text import clean
from arnews.validate import check_file
from arnews.variety import copies, surfaces

FILES = sorted(CORPUS.rglob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_corpus_files_are_valid_and_canonical(path) -> None:
    assert list(check_file(path)) == []
    assert write(read_file(path)).encode("utf-8") == path.read_bytes()


def test_corpus_has_every_label_type_modality_role_and_genre() -> None:
    whole = counts([d for split in SPLITS for d in corpus(split)])
    s = schema()
    for section in ("entities", "events", "modalities", "roles"):
        assert set(whole[section]) == set(getattr(s, section))
    assert set(whole["genre"]) == {
        "wire", "report", "analysis", "interview", "brief", "headline-list", "sports", "market", "court", "page",
    }  # fmt: skip


def test_corpus_is_large_enough_to_train_on_and_to_measure_with() -> None:
    sizes = [totals(corpus(split)) for split in SPLITS]
    whole = {key: sum(size[key] for size in sizes) for key in sizes[0]}
    assert whole["sentences"] >= 8_000 and whole["words"] >= 180_000
    assert whole["entities"] >= 25_000 and whole["events"] >= 14_000
    train, test = counts(corpus("train")), counts(corpus("test"))
    for section, least in (("events", {}), ("entities", {"LANGUAGE": 120, "WEBSITE": 120, "LAW": 120})):
        assert {k: n for k, n in train[section].items() if n < least.get(k, 200)} == {}
        assert {k: n for k, n in test[section].items() if n < 30} == {}
    assert sum(counts(corpus(split))["genre"]["page"] for split in SPLITS) >= 120


def test_corpus_has_names_in_wide_supply_and_no_copies() -> None:
    whole = [item for split in SPLITS for item in corpus(split)]
    assert len(surfaces(whole, ["PERS"])) >= 2_500 and len(surfaces(whole, ["ORG"])) >= 1_500
    assert len(surfaces(whole, ["GPE", "LOC", "FAC"])) >= 1_200
    for label in ("PERS", "ORG"):
        test, train = surfaces(corpus("test"), [label]), surfaces(corpus("train"), [label])
        assert len(test - train) / len(test) >= 0.6
    assert copies(whole) == []


def test_corpus_datasheet_shows_the_counts() -> None:
    assert tables({split: corpus(split) for split in SPLITS}) in (CORPUS / "README.md").read_text(encoding="utf-8")


def test_r43_no_sentence_of_dev_or_test_is_in_train() -> None:
    def sentences(split: str) -> set[str]:
        texts = (item.document.text[a:b] for item in corpus(split) for a, b in item.document.sentences)
        return {" ".join(clean(text).clean.split()) for text in texts if len(text.split()) >= 5}

    for left, right in itertools.combinations(SPLITS, 2):
        assert not sentences(left) & sentences(right)
    ids = [d.id for d in read_folder(CORPUS)]
    assert len(set(ids)) == len(ids)


def test_corpus_spans_slice_back_and_fall_on_words() -> None:
    for marked in read_folder(CORPUS):
        document = gold_document(marked)
        (part,) = read(document.text)
        ends = {part.text.to_raw(a, b)[1] for a, b in part.words}
        for entity in document.entities:
            assert document.text[entity.start : entity.end] == entity.text
            assert entity.end in ends, (marked.id, entity.text)
        for event in document.events:
            assert document.text[event.start : event.end] == event.trigger


def test_conll_reader_joins_split_words_and_maps_labels(tmp_path) -> None:
    path = tmp_path / "wiki.conll"
    path.write_text("و\tO\nزار\tO\nبيروت\tB-Population-Center\nو\tO\nكتاب\tB-Book\nها\tO\n\n", encoding="utf-8")
    (item,) = read_conll(path, "wikifane")
    assert item.document.text == "وزار بيروت وكتابها"
    assert [(e.text, e.label) for e in item.document.entities] == [("بيروت", "GPE"), ("كتاب", "?")]
    path.write_text("لندن\tB-LOC\nو\tO\nعلي\tB-PER\nحسن\tI-PER\n", encoding="utf-8")
    (item,) = read_conll(path, "anercorp")
    assert [(e.text, e.label) for e in item.document.entities] == [("لندن", "GPE/LOC/FAC"), ("علي حسن", "PERS")]
    assert item.annotates == {"PERS", "ORG", "GPE", "LOC", "FAC"} and not item.events
