"""Pretraining, fine-tuning and export end to end, on the shipped corpus and seconds of training."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertConfig, BertForMaskedLM

from arnews import ArnewsError, ModelError, Tagger
from arnews.datasets import LabelledDocument, corpus, make_entity
from arnews.document import Document
from arnews.encode import WordEncoder
from arnews.export import export
from arnews.folder import open_folder
from tests.conftest import make_model, model_config
from training.data import DataConfig, held_out
from training.examples import IGNORED, Collator, examples
from training.finetune import FinetuneConfig
from training.finetune import train as finetune
from training.losses import _either
from training.masking import Masker
from training.objectives import ReplacedTokens
from training.pretrain import PretrainConfig, build_model, short_masker
from training.pretrain import train as pretrain
from training.tokens import build_tokenizer, load_tokenizer, pack, word_starts


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "a.txt"
    path.write_text("\n\n".join(item.document.text for item in corpus("train")[:20]), encoding="utf-8")
    return path


def tiny(texts: Path, output: Path, **changes: object) -> PretrainConfig:
    shape = dict(
        vocab_size=400, embedding_size=16, hidden_size=32, layers=2, heads=2, feed_forward=32, sequence_length=32,
        batch_size=4, steps=12, warmup=3, save_every=4, log_every=4, bf16=False, held_out=0.05, dropout=0.1,
    )  # fmt: skip
    return PretrainConfig(texts=(str(texts),), output=str(output), **(shape | changes))  # type: ignore[arg-type]


def log(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "tokens_per_s"} for line in lines]


@pytest.mark.parametrize("changes", [{}, {"objective": "replaced", "short_steps": 6}])
def test_pretraining_resumes_to_the_same_losses_and_weights(
    texts: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    pretrain(tiny(texts, tmp_path / "whole", **changes))
    (tmp_path / "cut").mkdir()
    for name in ("tokenizer.json", "tokens.u32"):  # trained tokenizers differ in the order of equal counts
        shutil.copy(tmp_path / "whole" / name, tmp_path / "cut" / name)
    pretrain(tiny(texts, tmp_path / "cut", **changes))
    (tmp_path / "cut" / "checkpoint-00000012.pt").unlink()  # as if killed after step 8
    (tmp_path / "cut" / "checkpoint.tmp").write_bytes(b"half")
    lines = (tmp_path / "cut" / "log.jsonl").read_text().splitlines()
    (tmp_path / "cut" / "log.jsonl").write_text("\n".join(lines[:2]) + "\n")
    pretrain(tiny(texts, tmp_path / "cut", **changes))
    assert log(tmp_path / "cut") == log(tmp_path / "whole")
    assert log(tmp_path / "whole")[-1]["step"] == 12
    left, right = (tmp_path / n / "encoder" / "model.safetensors" for n in ("whole", "cut"))
    assert left.read_bytes() == right.read_bytes()


def test_an_encoder_learns_to_find_replaced_tokens(texts: Path, tmp_path: Path) -> None:
    """Sequences that count up by one: a token that was put there breaks the row, and must score higher."""
    config = tiny(texts, tmp_path, count_embeddings=False, dropout=0.0)
    tokenizer = build_tokenizer(config.texts, config.vocab_size, tmp_path)
    model = ReplacedTokens(build_model(config, tokenizer, np.zeros(0, dtype=np.uint32)))
    trained = [*model.encoder.parameters(), *model.head.parameters()]  # the generator goes on drawing at random
    optimizer = torch.optim.AdamW(trained, lr=3e-3)
    torch.manual_seed(0)
    ids = 10 + torch.randint(0, 250, (64, 1)) + torch.arange(24)  # (64, 24)
    for _ in range(150):
        chosen = torch.rand(ids.shape) < 0.15
        optimizer.zero_grad()
        model(torch.where(chosen, tokenizer.mask_token_id, ids), chosen, ids[chosen])[1].mean().backward()
        optimizer.step()
    chosen = torch.rand(ids.shape) < 0.15
    wrong = torch.where(chosen, (ids - 10 + 97) % 300 + 10, ids)
    with torch.no_grad():
        scores = model.head(model.encoder.base_model(input_ids=wrong)[0])[..., 0]
    assert (scores[chosen].mean() - scores[~chosen].mean()) > 1.0


def test_an_encoder_trained_on_replaced_tokens_is_kept_alone(texts: Path, tmp_path: Path) -> None:
    pretrain(tiny(texts, tmp_path, objective="replaced"))
    encoder, report = AutoModel.from_pretrained(tmp_path / "encoder", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and type(encoder).__name__ == "RoFormerModel"


def test_a_checkpoint_of_any_kind_is_continued_with_the_dropout_asked_for(texts: Path, tmp_path: Path) -> None:
    pretrain(tiny(texts, tmp_path / "first", count_embeddings=False))
    own = tmp_path / "first" / "encoder"
    bert = BertConfig(
        vocab_size=400, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        hidden_dropout_prob=0.1,
    )  # fmt: skip
    BertForMaskedLM(bert).save_pretrained(tmp_path / "bert")
    shutil.copy(own / "tokenizer.json", tmp_path / "bert")
    for name, source in (("second", own), ("third", tmp_path / "bert")):
        config = tiny(texts, tmp_path / name, init_from=str(source), dropout=0.0, steps=2)
        model = build_model(config, load_tokenizer(str(source)), np.zeros(0))
        before = AutoModel.from_pretrained(source)
        assert before.config.hidden_dropout_prob == 0.1 and model.config.hidden_dropout_prob == 0.0
        assert all(
            (model.base_model.state_dict()[k] == v).all() for k, v in before.state_dict().items() if "pooler" not in k
        )
        pretrain(config)
        after = AutoModel.from_pretrained(tmp_path / name / "encoder")
        assert type(after) is type(before) and after.config.hidden_size == 32


def test_short_sequences_come_first_and_never_from_the_held_out_tail(texts: Path, tmp_path: Path) -> None:
    config = tiny(texts, tmp_path)
    tokenizer = build_tokenizer(config.texts, config.vocab_size, tmp_path)
    tokens = pack(config.texts, tokenizer, tmp_path)
    whole = Masker(config, tokenizer, tokens)
    short = short_masker(config, tokenizer, tokens[: whole.training * whole.body])
    assert short.batch(0)[0].shape == (16, 8) and whole.batch(0)[0].shape == (4, 32)
    assert (short.training + short.held_out) * short.body <= whole.training * whole.body


def test_sequences_of_whole_words_alone_are_masked_too(texts: Path, tmp_path: Path) -> None:
    config = tiny(texts, tmp_path, mask_rate=0.5)
    tokenizer = build_tokenizer(config.texts, config.vocab_size, tmp_path)
    words = np.setdiff1d(np.flatnonzero(word_starts(tokenizer)), tokenizer.all_special_ids)
    ids, chosen, gold = Masker(config, tokenizer, np.resize(words, 4096).astype(np.uint32)).batch(0)
    assert ids.shape == (4, 32) and 0.3 < chosen.float().mean() < 0.6 and len(gold) == chosen.sum()
    assert not chosen[:, 0].any() and not chosen[:, -1].any()


def test_the_whole_way_from_text_to_a_tagged_page(texts: Path, tmp_path: Path) -> None:
    pretrain(tiny(texts, tmp_path / "encoder", count_embeddings=False))
    config = FinetuneConfig(
        encoder=str(tmp_path / "encoder" / "encoder"), output=str(tmp_path / "run"), data=(DataConfig("arnews", take=0.3, scored=0.1),),
        max_steps=4, batch_size=4, window=66, half=True,
    )  # fmt: skip
    finetune(config)
    scores = json.loads((tmp_path / "run" / "scores.json").read_text(encoding="utf-8"))["scores"]
    assert set(scores) == {"arnews-dev", "arnews-test"} and 0 <= scores["arnews-dev"]["entities"]["f1"] <= 100
    record = json.loads((tmp_path / "run" / "model" / "pretraining.json").read_text(encoding="utf-8"))
    assert record["steps"] == 12 and "texts" not in record
    further = dataclasses.replace(
        config, encoder=str(tmp_path / "run" / "model"), output=str(tmp_path / "further"), max_steps=1
    )
    finetune(further)
    assert "with new heads" in (tmp_path / "further" / "model" / "README.md").read_text(encoding="utf-8")
    figures = export(tmp_path / "run" / "model", tmp_path / "exported", corpus("dev")[::7], precision="int8")
    assert figures["fp32_logit_difference"] <= 1e-3
    text = corpus("dev")[0].document.text
    assert Tagger(tmp_path / "exported")(text).text == text


def test_export_refuses_int8_that_costs_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_model(tmp_path / "model")
    scores = iter([{"entities": {"f1": f1}} for f1 in (80.0, 78.0, 79.4)])  # exact, static, in blocks
    monkeypatch.setattr("arnews.export.evaluate", lambda *_: next(scores))
    with pytest.raises(ModelError, match=r"0\.6 points of entities"):
        export(tmp_path / "model", tmp_path / "out", corpus("dev"), precision="int8")
    assert not (tmp_path / "out").exists()


def test_export_falls_back_to_blocks_where_static_int8_costs_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_model(tmp_path / "model")
    scores = iter([{"entities": {"f1": f1}} for f1 in (80.0, 78.0, 79.8)])
    monkeypatch.setattr("arnews.export.evaluate", lambda *_: next(scores))
    figures = export(tmp_path / "model", tmp_path / "out", corpus("dev"), precision="int8")
    assert figures["entities_f1_drop"] == 0.2
    assert Tagger(tmp_path / "out")("قال الوزير").text == "قال الوزير"


def test_examples_carry_the_targets_of_every_head(trained: Path) -> None:
    folder = open_folder(trained)
    config = model_config(window=2000)  # no windows that overlap
    labelled = corpus("train")[0]
    made = examples(labelled, WordEncoder(folder.tokenizer), config)
    assert sum(len(e.counts) for e in made) >= len(labelled.document.words())
    triggers = sum(int((e.trigger % 2 == 1).sum()) for e in made)
    assert triggers == len(labelled.document.events)
    assert all(((e.modality != IGNORED) == (e.trigger % 2 == 1)).all() for e in made)
    batch = Collator(folder.special)(made)
    assert batch["entity"].shape == (len(batch["first"]), 19)
    first = batch["pairs"][:, 0]
    assert (batch["trigger"][first] % 2 == 1).all()  # after sorting by length, pairs still start on triggers
    assert (batch["entity"][batch["pairs"][:, 2], batch["pairs"][:, 4]] == 1).float().mean() > 0.95


def test_examples_mask_what_a_set_does_not_annotate(trained: Path) -> None:
    text = "زار علي لندن والكتاب"
    entities = (
        make_entity(text, 4, 7, "PERS"),
        make_entity(text, 8, 12, "GPE/LOC/FAC"),
        make_entity(text, 14, 20, "?"),
    )
    labelled = LabelledDocument(
        "a", Document(text, entities, (), ((0, 20),)), frozenset({"PERS", "GPE", "LOC", "FAC"}), False
    )
    config = model_config()
    (example,) = examples(labelled, WordEncoder(open_folder(trained).tokenizer), config)
    column = {label: example.entity[:, i].tolist() for i, label in enumerate(config.entities)}
    assert column["PERS"] == [0, 1, 0, IGNORED]
    assert column["GPE"] == [0, 0, IGNORED, IGNORED] and column["ORG"] == [IGNORED] * 4
    assert example.either_tag.tolist() == [0, 0, 1, 0] and example.either[2].sum() == 3
    assert (example.trigger == IGNORED).all() and example.proclitic.tolist() == [IGNORED, 0, 0, 1]


def test_the_loss_of_either_label_is_the_probability_of_exactly_one() -> None:
    logits = torch.randn(1, 3, 3)
    p = logits.softmax(-1)[0]
    exactly = p[0, 1] * p[1, 0] + p[0, 0] * p[1, 1]
    either = torch.tensor([[True, True, False]])
    loss = _either(logits.log_softmax(-1), either, torch.tensor([1]))
    assert torch.allclose(loss, -exactly.log())
    assert _either(logits.log_softmax(-1), either, torch.tensor([0])) == 0


def test_a_fifth_is_held_out_for_good() -> None:
    names = [f"doc-{i}" for i in range(1000)]
    assert 150 < sum(map(held_out, names)) < 250
    assert held_out("sau1-00") == held_out("sau1-00")


def test_training_needs_a_corpus_split_that_exists() -> None:
    with pytest.raises((ValueError, ArnewsError)):
        corpus("all")
    assert np.isfinite(len(corpus("dev")))
