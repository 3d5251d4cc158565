"""How good an encoder is, and how much the data brings: fine-tunings beside each other, one command each.

    python -m training.evaluate configs/evaluate.yaml encoder=runs/encoder/encoder [key=value …]

Everything is fine-tuned with several seeds, and beside it the same shape from random weights. Scores of one model that
is trained already are `arnews evaluate --model … --data …`.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, PreTrainedTokenizerFast

from arnews.breakdown import seqeval_scores
from arnews.datasets import LabelledDocument, corpus
from arnews.encode import WordEncoder
from arnews.evaluate import evaluate, predict
from arnews.export import export
from arnews.report import plot_curve
from arnews.tagger import Tagger
from arnews.text import clean
from arnews.variety import read_raw
from training.config import load_config
from training.data import DataConfig, load_data
from training.finetune import FinetuneConfig, save_tokenizer, train
from training.masking import Masker
from training.pretrain import PretrainConfig
from training.pretrain import evaluate as masked_words
from training.tokens import wrap_tokenizer


@dataclass(frozen=True)
class JudgeConfig:
    """What is measured of an encoder; a part whose data is not given is left out."""

    encoder: str
    output: str
    seeds: tuple[int, ...] = (1, 2, 3)
    anercorp: str = ""  # a CoNLL file: its first five sixths are trained on, the last sixth is the test
    entity_epochs: int = field(default=6, metadata={"low": 1, "high": 100})
    corpus_epochs: int = field(default=0, metadata={"low": 0, "high": 100})  # of the shipped corpus; 0: left out
    curve: tuple[float, ...] = ()  # shares of `curve_data` that are trained on, for a learning curve
    curve_data: tuple[DataConfig, ...] = (DataConfig("arnews"),)
    curve_epochs: int = field(default=8, metadata={"low": 1, "high": 100})
    text: str = ""  # raw news that the encoder has not seen: masked words, tokens a word, words/s
    learning_rate: float = 4e-4
    head_learning_rate: float = 1e-3
    batch_size: int = 16
    window: int = 128
    bf16: bool = True


def random_encoder(encoder: str, folder: Path, seed: int) -> str:
    """A folder with the encoder's shape and tokenizer and random weights."""
    torch.manual_seed(seed)
    AutoModel.from_config(AutoConfig.from_pretrained(encoder)).save_pretrained(folder)
    save_tokenizer(encoder, folder)
    return str(folder)


def finetuned(
    config: JudgeConfig, name: str, encoder: str, seed: int, data: tuple[DataConfig, ...], epochs: int
) -> tuple[Tagger, dict[str, list[LabelledDocument]]]:
    """The tagger of one fine-tuning, and its dev sets; a run that is finished already is read again."""
    output = Path(config.output) / f"{name}-{seed}"
    run = FinetuneConfig(
        encoder=encoder, output=str(output), data=data, seed=seed, epochs=epochs, window=config.window,
        batch_size=config.batch_size, learning_rate=config.learning_rate, bf16=config.bf16,
        head_learning_rate=config.head_learning_rate,
    )  # fmt: skip
    if not (output / "scores.json").exists():
        train(run)
    return Tagger(output / "model", dtype="fp32"), load_data(run.data)[1]


def spread(values: list[float]) -> dict[str, float]:
    """Mean, and the distance between the best and the worst."""
    return {"mean": round(statistics.mean(values), 2), "spread": round(max(values) - min(values), 2)}


def judge_entities(config: JudgeConfig, inits: Mapping[str, str]) -> dict[str, Any]:
    """Entity micro-F1 by seqeval, strict, on the last sixth of ANERcorp."""
    sets = (
        DataConfig("conll", config.anercorp, take=5 / 6),
        DataConfig("conll", config.anercorp, skip=5 / 6, score_only=True),
    )
    out = {}
    for name, encoder in inits.items():
        found = []
        for seed in config.seeds:
            tagger, dev = finetuned(config, f"anercorp-{name}", encoder, seed, sets, config.entity_epochs)
            (documents,) = dev.values()
            scores = seqeval_scores([d.document for d in documents], predict(tagger, documents).found)
            found.append(scores["outermost entities"]["strict"])
        out[name] = spread(found)
    return out


def judge_corpus(config: JudgeConfig, inits: Mapping[str, str]) -> dict[str, Any]:
    """Every score on the shipped corpus's dev split."""
    out: dict[str, Any] = {}
    for name, encoder in inits.items():
        reports = []
        for seed in config.seeds:
            sets = (DataConfig("arnews"),)
            tagger, _ = finetuned(config, f"corpus-{name}", encoder, seed, sets, config.corpus_epochs)
            reports.append(flat_scores(evaluate(tagger, corpus("dev"))))
        out[name] = {key: spread([report[key] for report in reports]) for key in reports[0]}
    return out


def flat_scores(report: Mapping[str, Any]) -> dict[str, float]:
    """The four figures of an evaluation that count; of a set without events the first alone."""
    names = ("entities", "triggers", "modality_given_triggers", "arguments_given_triggers")
    parts = {name.replace("_", " "): report[name] for name in names if name in report}
    return {name: float(part["f1"] if isinstance(part, Mapping) else part) for name, part in parts.items()}


def learning_curve(config: JudgeConfig) -> list[dict[str, float]]:
    """The scores on every dev set together against how much is trained on, and `curve.png`."""
    points = []
    for share in config.curve:
        sets = tuple(dataclasses.replace(data, share=share) for data in config.curve_data)
        name = f"curve-{share:g}"
        tagger, dev = finetuned(config, name, config.encoder, config.seeds[0], sets, config.curve_epochs)
        words = sum(len(d.document.text.split()) for documents in load_data(sets)[0] for d in documents)
        documents = [d for name, found in dev.items() if name != "arnews-test" for d in found]
        points.append({"words": words} | flat_scores(evaluate(tagger, documents)))
    plot_curve(points, Path(config.output) / "curve.png")
    return points


def judge_text(config: JudgeConfig) -> dict[str, float]:
    """Masked-word accuracy, tokens a word, and words/s of the int8 graph on raw text."""
    documents = read_raw(Path(config.text))
    tokenizer = wrap_tokenizer(save_tokenizer(config.encoder, Path(config.output)))
    words = [t.clean[a:b] for t in (clean(d.text) for d in documents) for a, b in t.words()]
    pieces, _ = WordEncoder(tokenizer.backend_tokenizer)(words)
    out = {"tokens a word": round(len(pieces) / len(words), 3)}
    out |= judge_masked_words(config, tokenizer, pieces)
    model, _ = finetuned(config, "curve-1", config.encoder, config.seeds[0], config.curve_data, config.curve_epochs)
    graph = Path(config.output) / "graph"
    export(model.folder.path, graph, corpus("dev"), precision="int8")
    tagger, texts = Tagger(graph), [d.text for d in documents]
    list(tagger.pipe(texts[:20]))
    rates = []
    for _ in range(5):
        started = time.perf_counter()
        list(tagger.pipe(texts))
        rates.append(sum(len(text.split()) for text in texts) / (time.perf_counter() - started))
    return out | {"words/s, int8, median of 5": round(statistics.median(rates))}


def judge_masked_words(config: JudgeConfig, tokenizer: PreTrainedTokenizerFast, pieces: np.ndarray) -> dict[str, float]:
    """Loss and accuracy of masked words, where the encoder has kept its masked-word head."""
    model, report = AutoModelForMaskedLM.from_pretrained(config.encoder, output_loading_info=True)
    if report["missing_keys"]:
        return {}
    shape = PretrainConfig(texts=(), output="", held_out=0.5, sequence_length=min(128, config.window))
    tokens = np.concatenate([pieces, pieces])  # the second half is the held-out part
    found = masked_words(model, Masker(shape, tokenizer, tokens.astype(np.uint32)), Accelerator(cpu=True))
    return {key.replace("held_out", "masked words:"): round(value, 4) for key, value in found.items()}


def main(config: JudgeConfig) -> None:
    """Measure what the config asks for; print it, and write `judgement.json`."""
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    random = random_encoder(config.encoder, output / "random", config.seeds[0])
    inits = {"pretrained": config.encoder, "random": random}
    found: dict[str, Any] = {"encoder": Path(config.encoder).name, "seeds": config.seeds}
    if config.anercorp:
        found["ANERcorp, last sixth, entity F1"] = judge_entities(config, inits)
    if config.corpus_epochs:
        found["shipped corpus, dev"] = judge_corpus(config, inits)
    if config.curve:
        found["learning curve"] = learning_curve(config)
    if config.text:
        found["raw text"] = judge_text(config)
    (output / "judgement.json").write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")
    print(json.dumps(found, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main(load_config(Path(sys.argv[1]), JudgeConfig, sys.argv[2:]))
