"""The recipes of configs/ from end to end: the smoke run, and an encoder of full size."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from arnews import Tagger
from arnews.datasets import CORPUS
from tests.conftest import SENTENCES, make_tokenizer
from tests.test_cli import PAGE, arnews
from training.config import load_config
from training.data import DataConfig
from training.evaluate import JudgeConfig
from training.finetune import FinetuneConfig, train

CONFIGS = Path(__file__).parent.parent / "configs"


def test_smoke_config_trains_evaluates_exports_and_tags(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(load_config(CONFIGS / "smoke.yaml", FinetuneConfig, [f"output={run}"]))
    scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))["scores"]
    assert set(scores) == {"arnews-dev", "arnews-test"}
    assert "## Scores" in (run / "model" / "README.md").read_text(encoding="utf-8")
    few = CORPUS / "dev" / "agriculture.txt"
    done = arnews("evaluate", "--model", run / "model", "--data", few, "-o", tmp_path / "report")
    assert done.returncode == 0 and (tmp_path / "report" / "errors.html").exists()
    assert arnews("export", run / "model", tmp_path / "graphs", "--precision", "fp32").returncode == 0
    done = arnews("tag", PAGE, "--model", tmp_path / "graphs", "--format", "json")
    assert json.loads(done.stdout)[0]["text"] == PAGE.read_text(encoding="utf-8")


def test_published_recipes_name_their_encoders() -> None:
    encoders = {
        "camelbert-msa": "CAMeL-Lab/bert-base-arabic-camelbert-msa", "arabert": "aubmindlab/bert-base-arabertv02",
        "marbert": "UBC-NLP/MARBERTv2", "xlmr": "FacebookAI/xlm-roberta-base",
        "anercorp": "CAMeL-Lab/bert-base-arabic-camelbert-msa",
    }  # fmt: skip
    for name, encoder in encoders.items():
        assert load_config(CONFIGS / f"{name}.yaml", FinetuneConfig).encoder == encoder
    recipe = load_config(CONFIGS / "anercorp.yaml", FinetuneConfig)
    assert (recipe.epochs, recipe.batch_size) == (3, 32) and recipe.data[1].score_only
    assert load_config(CONFIGS / "evaluate.yaml", JudgeConfig).seeds == (1, 2, 3)


def test_a_set_with_labels_of_its_own_gives_a_model_of_these(encoder: Path, tmp_path: Path) -> None:
    conll = tmp_path / "a.conll"
    conll.write_text("\n\n".join(["زار\tO\nعلي\tB-PERS\nدمشق\tB-LOC\nجائزة\tB-MISC"] * 40), encoding="utf-8")
    data = (DataConfig("conll", str(conll)), DataConfig("conll", str(conll), score_only=True))
    config = FinetuneConfig(str(encoder), str(tmp_path / "run"), data, max_steps=3, batch_size=2, window=66)
    train(config)
    tagger = Tagger(tmp_path / "run" / "model")
    assert tagger.config.entities == ("PERS", "LOC", "MISC") and tagger.config.events == ()
    assert tagger(SENTENCES[0]).events == ()
    (scores,) = json.loads((tmp_path / "run" / "scores.json").read_text(encoding="utf-8"))["scores"].values()
    assert "triggers" not in scores and set(scores["entities_by_label"]) >= {"PERS", "LOC", "MISC"}
    train(dataclasses.replace(config, data=(DataConfig("anercorp", str(conll)),), output=str(tmp_path / "mapped")))
    assert Tagger(tmp_path / "mapped" / "model").config.entities == ("PERS", "ORG", "GPE", "LOC", "FAC")


@pytest.mark.slow
def test_an_encoder_of_full_size_is_trained_saved_loaded_and_exported(tmp_path: Path) -> None:
    """CAMeLBERT-MSA's shape with random weights, in the files that its repository has: a vocabulary and no
    tokenizer.json."""
    torch.manual_seed(0)
    folder = tmp_path / "camelbert"
    BertModel(BertConfig(vocab_size=30_000)).save_pretrained(folder)
    tokens = json.loads(make_tokenizer(tmp_path / "t.json").read_text(encoding="utf-8"))["model"]["vocab"]
    filler = [f"[unused{i}]" for i in range(30_000 - len(tokens))]
    (folder / "vocab.txt").write_text("\n".join([*sorted(tokens, key=tokens.get), *filler]) + "\n", encoding="utf-8")
    config = load_config(
        CONFIGS / "camelbert-msa.yaml", FinetuneConfig,
        [f"encoder={folder}", f"output={tmp_path / 'run'}", "max_steps=3", "data=[{format: arnews, share: 0.03, scored: 0.1}]",
         "evaluate_every=0", "save_every=0", "epochs=1", "bf16=false"],
    )  # fmt: skip
    train(config)
    document = Tagger(tmp_path / "run" / "model")(SENTENCES[0])
    assert document.text == SENTENCES[0]
    done = arnews("export", tmp_path / "run" / "model", tmp_path / "graphs", "--precision", "fp32")
    assert done.returncode == 0, done.stderr
    exported = Tagger(tmp_path / "graphs")(SENTENCES[0])
    assert [(e.start, e.end, e.label) for e in exported.entities] == [
        (e.start, e.end, e.label) for e in document.entities
    ]
