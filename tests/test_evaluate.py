"""Evaluation: groups, seqeval's view, confusions, the worst sentences, and the folder that is written."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import html

from arnews import Tagger, metrics
from arnews import breakdown as b
from arnews.conll import read_conll
from arnews.datasets import LabelledDocument, corpus, gold_document
from arnews.document import Document
from arnews.evaluate import Predictions, evaluate, predict, scores, tag_given
from arnews.folder import BUNDLED
from arnews.markup import parse
from arnews.report import write_report
from arnews.schema import schema
from tests.test_cli import arnews
from training.data import DataConfig
from training.evaluate import JudgeConfig
from training.evaluate import main as judge


def labelled(body: str, **meta: str) -> LabelledDocument:
    (marked,) = parse(f"# doc: sports-1\n# topic: sports | genre: wire | region: gulf | date: 2020-01-01\n{body}\n")
    labels = frozenset(schema().entities)
    return LabelledDocument(marked.id, gold_document(marked), labels, True, meta=marked.meta | meta)


GOLD = labelled(
    "{زار|TRAVEL AGENT=1 PLACE=2} [وزير خارجية [مصر|GPE]|OCC #1] [بكين|GPE #2]. {قال|STATEMENT} [علي|PERS]."
)
FOUND = labelled("{زار|TRAVEL AGENT=1} [وزير خارجية [مصر|GPE]|OCC #1] [بكين|ORG]. قال [علي|PERS].").document


def test_scores_hold_macro_f1_and_the_parts() -> None:
    report = scores([GOLD], Predictions([FOUND], [FOUND], [FOUND]))
    assert report["entities"]["f1"] == 75 and report["triggers"]["f1"] == 66.67
    labels = {k: v["f1"] for k, v in report["entities_by_label"].items()}
    assert labels == {"GPE": 66.67, "OCC": 100, "ORG": 0, "PERS": 100}
    assert report["entities"]["macro_f1"] == 66.67
    assert report["arguments"]["f1"] == 66.67


def test_flat_tags_agree_between_seqeval_and_our_metrics() -> None:
    documents = [item.document for item in corpus("dev")]
    outer = [replace(d, entities=outermost(d), events=()) for d in documents]
    found = [replace(d, entities=d.entities[::2]) for d in outer]
    ours = 100 * metrics.score(outer, found, metrics.entity_items).f1
    theirs = b.seqeval_scores(outer, found)["outermost entities"]
    assert theirs["strict"] == pytest.approx(ours, abs=0.006) and theirs["default"] == theirs["strict"]


def outermost(document: Document) -> tuple:  # type: ignore[type-arg]
    out: list = []  # type: ignore[type-arg]
    ends = [end for _, end in document.words()]
    for e in sorted(document.entities, key=lambda e: (e.start, -e.end)):
        if not out or e.start >= min(end for end in ends if end >= out[-1].end):
            out.append(e)
    return tuple(out)


def test_groups_divide_spans_by_topic_surface_and_length() -> None:
    other = labelled("[بكين|GPE]", topic="war")
    found = b.groups([GOLD, other], [FOUND, other.document], seen={"بكين"})
    assert {k: v["entities"] for k, v in found["topic"].items()} == {
        "sports": metrics.Score(3, 4, 4), "war": metrics.Score(1, 1, 1),
    }  # fmt: skip
    assert found["surface"]["seen"]["entities"] == metrics.Score(1, 2, 2)
    assert found["surface"]["unseen"]["entities"] == metrics.Score(3, 3, 3)
    assert list(found["words of the sentence"]) == [" 1-10"] and set(found["genre"]) == {"wire"}
    assert b.surfaces([other, GOLD]) == {"بكين", "وزير خارجية مصر", "مصر", "علي", "زار", "قال"}


def test_confusion_counts_what_was_taken_for_what() -> None:
    table = b.confusion([GOLD.document], [FOUND], metrics.entity_items)
    assert table == Counter({("GPE", "ORG"): 1, ("GPE", "GPE"): 1, ("OCC", "OCC"): 1, ("PERS", "PERS"): 1})
    assert b.confusion([GOLD.document], [FOUND], metrics.trigger_items)["STATEMENT", "none"] == 1


def test_worst_sentences_come_first_and_are_cut_out() -> None:
    first, second = b.worst_sentences([GOLD], [FOUND])
    assert (first.errors, second.errors) == (3, 1)
    assert second.gold.text == "قال علي." and second.gold.events[0].trigger == "قال" and not second.predicted.events
    assert [a.entity.text for a in first.gold.events[0].arguments] == ["وزير خارجية مصر", "بكين"]
    for side in (first.gold, second.gold):
        assert all(side.text[e.start : e.end] == e.text for e in side.entities)
    assert b.worst_sentences([GOLD], [GOLD.document]) == []


def test_flat_sets_are_scored_in_their_own_terms(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("وزارة\tB-ORG\nخارجية\tI-ORG\nمصر\tI-ORG\nفي\tO\nبكين\tB-LOC\nجائزة\tB-MISC\n", encoding="utf-8")
    items = read_conll(path, "anercorp")
    tagger = Tagger()
    found = labelled("[وزارة خارجية [مصر|GPE]|ORG] في [بكين|GPE] [جائزة|EVENT]").document
    tagger.pipe = lambda texts: [found for _ in texts]  # type: ignore[method-assign]
    predictions = predict(tagger, items)
    (document,) = predictions.found
    assert [(e.text, e.label) for e in document.entities] == [("وزارة خارجية مصر", "ORG"), ("بكين", "GPE/LOC/FAC")]
    assert predictions.given_triggers == [] and scores(items, predictions)["entities"]["f1"] == 100


def test_given_triggers_and_entities_leave_only_the_links_to_the_model() -> None:
    items = corpus("dev")[:4]
    gold = [item.document for item in items]
    tagger = Tagger()
    for document, known in zip(tag_given(tagger, gold, entities=True), gold, strict=True):
        assert [(e.start, e.type) for e in document.events] == [(e.start, e.type) for e in known.events]
        assert len(document.entities) == len(known.entities)


def test_cli_evaluate_writes_the_whole_report(tmp_path: Path) -> None:
    done = arnews("evaluate", "--split", "dev", "-o", tmp_path / "out")
    table = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    for title in ("95% interval", "Macro F1", "| seqeval, over words |", "| topic |", "| genre |", "| surface |"):
        assert title in table
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {
        "scores.md", "scores.json", "gold.conll", "predicted.conll", "errors.html", "confusion-entities.png",
        "confusion-triggers.png",
    }  # fmt: skip
    report = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))
    assert report["entities"] == evaluate(Tagger(), corpus("dev"))["entities"]
    page = html.fromstring((tmp_path / "out" / "errors.html").read_text(encoding="utf-8"))
    assert len(page.cssselect(".pair")) <= 100 and len(page.cssselect(".pair")) * 2 == len(
        page.cssselect(".pair > div")
    )
    gold, predicted = ((tmp_path / "out" / f"{n}.conll").read_text(encoding="utf-8") for n in ("gold", "predicted"))
    assert [line.split("\t")[0] for line in gold.splitlines()] == [
        line.split("\t")[0] for line in predicted.splitlines()
    ]


def test_cli_evaluate_refuses_what_is_not_there(tmp_path: Path) -> None:
    for arguments, says in (
        (["--data", "nowhere.txt"], "nowhere.txt does not exist"),
        (["--split", "tset"], "it must be one of train, dev, test"),
        (["--data", tmp_path, "--format", "excel"], "source is 'excel'"),
    ):
        done = arnews("evaluate", *arguments)
        assert done.returncode == 2 and says in done.stderr.decode() and done.stderr.count(b"\n") == 1


def test_cli_export_writes_graphs(trained: Path, tmp_path: Path) -> None:
    done = arnews("export", trained, tmp_path / "out", "--precision", "fp32")
    assert done.returncode == 0 and "fp32_logit_difference" in done.stdout.decode()
    assert (tmp_path / "out" / "model.onnx").exists()
    assert arnews("export", tmp_path / "none", tmp_path / "x").returncode == 2


def test_report_without_a_folder_gives_tables_alone() -> None:
    assert write_report(Tagger(), corpus("dev")[:2], None).startswith("2 documents, sha256")


@pytest.mark.slow
def test_an_encoder_is_judged_beside_random_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("training.data", "training.evaluate"):
        monkeypatch.setattr(f"{module}.corpus", lambda split: corpus(split)[::20])
    conll = tmp_path / "a.conll"
    conll.write_text("\n\n".join(["زار\tO\nعلي\tB-PERS\nدمشق\tB-LOC\n"] * 200), encoding="utf-8")
    text = tmp_path / "a.txt"
    text.write_text("\n\n".join(item.document.text for item in corpus("dev")[:5]), encoding="utf-8")
    judge(
        JudgeConfig(
            encoder="arnews/models/small", output=str(tmp_path / "out"), seeds=(1, 2), anercorp=str(conll), entity_epochs=4,
            corpus_epochs=1, curve=(0.1, 1.0), curve_data=(DataConfig("arnews"),), curve_epochs=1,
            text=str(text), bf16=False,
        )
    )  # fmt: skip
    found = json.loads((tmp_path / "out" / "judgement.json").read_text(encoding="utf-8"))
    assert found["scores"]["ANERcorp, last sixth: entities"]["pretrained"]["mean"] > 50
    assert set(found["scores"]["shipped corpus, dev: triggers"]) == {"pretrained", "random"}
    assert "| shipped corpus, dev: triggers | " in found["table"] and "| tokens a word | " in found["table"]
    assert [p["words"] for p in found["learning curve"]] == sorted(p["words"] for p in found["learning curve"])
    assert found["raw text"]["tokens a word"] > 1 and (tmp_path / "out" / "curve.png").exists()


FLOORS = {"entities": 82.19, "triggers": 70.33, "arguments_given_triggers": 67.85}


@pytest.mark.slow
def test_r45_the_bundled_model_is_as_good_as_its_card_says() -> None:
    report = evaluate(Tagger(), corpus("test"))
    assert report["data_sha256"][:16] in (BUNDLED / "README.md").read_text(encoding="utf-8")
    assert {part: report[part]["f1"] > floor - 0.2 for part, floor in FLOORS.items()} == dict.fromkeys(FLOORS, True)
    assert report["modality_given_triggers"] > 90.26 - 0.2
