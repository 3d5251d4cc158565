"""Runs beside each other: choices of pretraining at one cost, and fine-tunings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arnews.datasets import corpus
from training.choices import Choice, ChoicesConfig, markdown, operations
from training.choices import main as choices
from training.compare import CompareConfig
from training.compare import main as compare
from training.config import load_config
from training.pretrain import PretrainConfig

CONFIGS = Path(__file__).parent.parent / "configs"


def test_choices_have_the_same_cost_and_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, conll = tmp_path / "a.txt", tmp_path / "a.conll"
    text.write_text("\n\n".join(item.document.text for item in corpus("train")[:20]), encoding="utf-8")
    conll.write_text("\n\n".join(["زار\tO\nعلي\tB-PERS\nدمشق\tB-LOC\nفي\tO"] * 30), encoding="utf-8")
    runs = (Choice("base"), Choice("wide", ("hidden_size=64",)), Choice("replaced", ("objective=replaced",)))
    config = ChoicesConfig(
        str(CONFIGS / "pretrain-smoke.yaml"), (str(text),), str(tmp_path / "out"), str(conll), runs, petaflops=3e-6,
        entity_epochs=1,
    )  # fmt: skip
    choices(config)
    found = json.loads((tmp_path / "out" / "choices.json").read_text(encoding="utf-8"))
    base, wide, replaced = found["runs"]
    assert base["tokens"] > wide["tokens"] and base["parameters"] < wide["parameters"]
    assert base["loss a word"] > 0 and "loss a word" not in replaced
    assert found["table"] in capsys.readouterr().out and found["table"].count("\n") == 4
    before = (tmp_path / "out" / "base" / "result.json").stat().st_mtime_ns
    choices(config)  # finished runs are read again
    assert (tmp_path / "out" / "base" / "result.json").stat().st_mtime_ns == before


def test_operations_grow_with_the_batch(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("\n\n".join(item.document.text for item in corpus("train")[:20]), encoding="utf-8")
    changes = [f"texts=[{text}]", f"output={tmp_path}"]
    one, two = (
        operations(load_config(CONFIGS / "pretrain-smoke.yaml", PretrainConfig, [*changes, f"batch_size={size}"]))
        for size in (4, 8)
    )
    assert 1.8 < two / one < 2.2


def test_compare_trains_each_variant_and_scores_it(
    encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conll = tmp_path / "a.conll"
    conll.write_text("\n\n".join(["زار\tO\nعلي\tB-PERS\nدمشق\tB-LOC"] * 20), encoding="utf-8")
    data = f"data=[{{format: conll, path: {conll}}}, {{format: conll, path: {conll}, score_only: true}}]"
    shared = (data, f"encoder={encoder}", "max_steps=2", "batch_size=2", "window=66", "bf16=false")
    runs = (Choice("base"), Choice("hidden", ("word_dropout=0.2",)))
    compare(CompareConfig(str(CONFIGS / "bundled.yaml"), str(tmp_path / "out"), runs, shared))
    found = json.loads((tmp_path / "out" / "compare.json").read_text(encoding="utf-8"))
    assert [row["choice"] for row in found["runs"]] == ["base", "hidden"]
    assert all(any(key.endswith(": entities") for key in row) for row in found["runs"])
    assert found["table"] in capsys.readouterr().out


def test_a_table_has_a_column_for_each_figure() -> None:
    rows = [{"choice": "a", "tokens": 1000}, {"choice": "b", "F1": 0.5}]
    assert (
        markdown(rows, ("tokens", "F1")) == "| choice | tokens | F1 |\n|---|---|---|\n| a | 1,000 |  |\n| b |  | 0.5 |"
    )
