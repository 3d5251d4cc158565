from __future__ import annotations

from pathlib import Path

import pytest

import arnews
from arnews.agreement import agreement, differences, pairs
from arnews.conll import read_conll
from arnews.consistency import lines, odd_places, report
from arnews.datasets import SPLITS, LabelledDocument, corpus, gold_document, read_marked
from arnews.errors import FormatError
from arnews.features import features, from_row
from arnews.markup import parse
from arnews.schema import schema
from arnews.stats import totals
from arnews.variety import copies, measure, read_raw, surfaces, variety_tables

HEAD = "# doc: {}\n# topic: sports | genre: wire | region: gulf | date: 2020-01-01\n{}\n"


def labelled(*bodies: str) -> list[LabelledDocument]:
    marked = parse("\n".join(HEAD.format(f"sports-{i}", body) for i, body in enumerate(bodies)))
    return [LabelledDocument(m.id, gold_document(m), frozenset(schema().entities), True, meta=m.meta) for m in marked]


def test_load_dataset_gives_the_documents_of_every_split_back() -> None:
    found = arnews.load_dataset("arnews")
    assert list(found) == list(SPLITS)
    for split in SPLITS:
        documents = corpus(split)
        assert len(found[split]) == len(documents)
        for row, item in zip(found[split], documents, strict=True):
            assert from_row(row, found[split].features) == item.document
            assert row["topic"] == item.meta["topic"] and row["annotates_events"]


def test_load_dataset_rows_have_layers_of_tags_over_words(tmp_path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(
        HEAD.format("a-1", "{زار|TRAVEL AGENT=1} [وزير خارجية [مصر|GPE]|OCC] [سامح فؤاد|PERS #1] و[بكين|GPE]"),
        encoding="utf-8",
    )
    found = arnews.load_dataset("markup", path)["train"]
    (row,) = found
    names = found.features["entity_tags"].feature.feature.names
    outer, inner = ([names[tag] for tag in layer] for layer in row["entity_tags"])
    assert row["words"] == ["زار", "وزير", "خارجية", "مصر", "سامح", "فؤاد", "وبكين"]
    assert outer == ["O", "B-OCC", "I-OCC", "I-OCC", "B-PERS", "I-PERS", "B-GPE"]
    assert inner == ["O", "O", "O", "B-GPE", "O", "O", "O"]
    triggers = found.features["trigger_tags"].feature.names
    assert [triggers[tag] for tag in row["trigger_tags"]] == ["B-TRAVEL"] + ["O"] * 6
    roles = found.features["events"].feature["arguments"].feature["role"].names
    (argument,) = row["events"][0]["arguments"]
    assert roles[argument["role"]] == "AGENT"
    assert row["text"][slice(*(row["entities"][argument["entity"]][k] for k in ("start", "end")))] == "سامح فؤاد"


def test_load_dataset_reads_foreign_files_and_refuses_unknown_ones(tmp_path) -> None:
    path = tmp_path / "w.txt"
    path.write_text("مطار B-FAC\nبيروت I-FAC B-GPE\nدولاران B-MONEY B-CURR\n\nقال O\n", encoding="utf-8")
    found = arnews.load_dataset("wojood", path)["train"]
    labels = found.features["entities"].feature["label"].names
    assert [labels[e["label"]] for e in found[0]["entities"]] == ["FAC", "GPE", "MONEY"]
    assert labels == list(schema().entities) and not found[0]["annotates_events"]
    assert found.features == features(labels)
    with pytest.raises(ValueError, match="'conll2003'"):
        arnews.load_dataset("conll2003", path)
    with pytest.raises(ValueError, match="with a path"):
        arnews.load_dataset("wojood")


def test_conll_reader_names_the_line_without_a_tag(tmp_path) -> None:
    path = tmp_path / "bad.txt"
    path.write_text("قال O\nبيروت\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"bad.txt:2: a line is a word and its tags"):
        read_conll(path, "anercorp")


def test_conll_reader_closes_a_span_at_its_end_and_at_another_begin(tmp_path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("علي\tB-PER\nحسن\tB-PER\nسعد\tI-PER\nفي\tO\nدمشق\tI-LOC\n", encoding="utf-8")
    (item,) = read_conll(path, "anercorp")
    assert [e.text for e in item.document.entities] == ["علي", "حسن سعد", "دمشق"]


def test_copies_finds_sentences_that_share_half_their_words() -> None:
    text = "وصل الوفد الرسمي إلى المدينة القديمة صباح يوم الخميس"
    documents = labelled(text, text.replace("الخميس", "السبت"), "جلس الشيخ في ظل النخلة الكبيرة قرب البئر")
    assert [(a, b) for a, b, _ in copies(documents)] == [("sports-0", "sports-1")]
    assert copies(labelled(f"{text}. {text}.")) == []


def test_measure_counts_sentences_events_and_entities() -> None:
    documents = [d.document for d in labelled("{وصل|TRAVEL PLACE=1} إلى [عدن|GPE #1] أمس.\nكان الجو حارا جدا")]
    figures = measure(documents)
    assert figures["words in the sample"] == 8 and figures["distinct words"] == 8
    assert figures["words a sentence, mean"] == 4
    assert figures["sentences without an event, %"] == 50
    assert figures["paragraphs without an entity, %"] == 50
    assert figures["words an entity"] == figures["words an event"] == 8


def test_variety_tables_compare_with_raw_text_and_count_unseen_names(tmp_path) -> None:
    raw = tmp_path / "raw.txt"
    raw.write_text("قال الرجل كلاما طويلا.\nثم مضى.\n\nوصل القطار متأخرا.\n", encoding="utf-8")
    assert [d.text for d in read_raw(raw)] == ["قال الرجل كلاما طويلا.\nثم مضى.", "وصل القطار متأخرا."]
    splits = {
        "train": labelled("سافر [علي مراد|PERS]"),
        "test": labelled("عاد [علي مراد|PERS] و[سعد نجم|PERS]"),
    }
    table = variety_tables(splits, read_raw(raw))
    assert "| PERS | 2 | 50 |" in table and "| variety | here | compared |" in table
    assert surfaces(splits["test"], ["PERS"]) == {"علي مراد", "سعد نجم"}


def test_consistency_reports_a_surface_marked_here_and_not_there() -> None:
    documents = labelled(
        "{زار|TRAVEL} [الأهرام|FAC] ثم قرأ [الأهرام|ORG]",
        "باع الأهرام في [مطار [عدن|GPE]|FAC] ومطار عدن",
        "{وصل|TRAVEL} إلى [عدن|GPE]، ولم يزره أحد",
    )
    entities, triggers = report(documents)
    found = {surface: use.counts for surface, use in entities}
    assert found == {
        "الأهرام": {"FAC": 1, "ORG": 1, "none": 1},
        "عدن": {"GPE": 2, "none": 1},
        "مطار عدن": {"FAC": 1, "none": 1},
    }
    assert triggers == []
    assert next(lines(entities)).startswith("الأهرام: FAC 1 (sports-0); ORG 1 (sports-0); none 1 (sports-1)")


def test_odd_places_are_those_not_marked_as_most_of_their_like() -> None:
    usual = "{وصل|TRAVEL} إلى [عدن|GPE] أمس"
    documents = labelled(usual, usual, usual, usual, "{وصل|TRAVEL} إلى عدن", "في [مطار عدن|FAC] حفل، وصل الضيوف")
    assert list(odd_places(documents)) == [
        "sports-4: عدن: none here, GPE 4 of 5 | وصل إلى >عدن<",
        "sports-5: وصل: none here, TRAVEL 5 of 6 | في مطار عدن حفل، >وصل< الضيوف",
    ]
    assert list(odd_places(documents, share=0.9)) == []
    assert list(odd_places(documents, least=7)) == []


def test_agreement_of_two_annotations_and_their_differences() -> None:
    first = labelled("{زار|TRAVEL AGENT=1 PLACE=2} [علي مراد|PERS #1] [مطار [عدن|GPE]|FAC #2]", "لا شيء")
    second = labelled("{زار|TRAVEL.planned AGENT=1} [علي مراد|PERS #1] مطار [عدن|GPE]")
    documents = pairs(first, second)
    figures = agreement(documents)
    assert figures["documents"] == 1 and figures["triggers"] == 100 and figures["modality"] == 0
    assert figures["entities"] == 80  # two of three and two
    assert figures["arguments"] == 66.7
    found = list(differences(documents))
    assert any(line.startswith("sports-0:0: < زار TRAVEL.actual") for line in found)
    assert any("> زار TRAVEL.planned" in line for line in found)
    assert agreement(pairs(first, first))["arguments"] == 100
    with pytest.raises(ValueError, match="the texts differ"):
        pairs(first, labelled("غير هذا"))
    with pytest.raises(ValueError, match="no document in common"):
        pairs(first, [])


def test_totals_of_marked_files_are_those_of_the_corpus(tmp_path) -> None:
    assert totals(read_marked(Path(arnews.__file__).parent / "corpus" / "dev")) == totals(corpus("dev"))
