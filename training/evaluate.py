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
from collections.abc import Mapping, Sequence
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
    encoder_dropout: float = field(default=0.1, metadata={"low": 0.0, "high": 0.9})
    trigger_weight: float = 4.0
    link_weight: float = 2.0
    batch_size: int = 16
    window: int = 128
    bf16: bool = False
    title: str = "What the encoder is worth"  # of the table in a card

    @property
    def whole_epochs(self) -> int:
        """Of a fine-tuning on the whole shipped corpus, also where that part is left out."""
        return self.corpus_epochs or self.curve_epochs


WHOLE = (DataConfig("arnews"),)  # the shipped corpus


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
        head_learning_rate=config.head_learning_rate, encoder_dropout=config.encoder_dropout,
        trigger_weight=config.trigger_weight, link_weight=config.link_weight,
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


def on_corpus(config: JudgeConfig, name: str, encoder: str, seed: int) -> Tagger:
    """The tagger of one fine-tuning on the shipped corpus."""
    return finetuned(config, f"corpus-{name}", encoder, seed, WHOLE, config.whole_epochs)[0]


def judge_corpus(config: JudgeConfig, inits: Mapping[str, str]) -> dict[str, dict[str, dict[str, float]]]:
    """Every score on the shipped corpus's dev split: of each measure, each start's mean and spread."""
    out: dict[str, dict[str, dict[str, float]]] = {}
    for name, encoder in inits.items():
        taggers = [on_corpus(config, name, encoder, seed) for seed in config.seeds]
        reports = [flat_scores(evaluate(tagger, corpus("dev"))) for tagger in taggers]
        for key in reports[0]:
            out.setdefault(key, {})[name] = spread([report[key] for report in reports])
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
        same = sets == WHOLE and config.curve_epochs == config.whole_epochs
        name = "corpus-pretrained" if same else f"curve-{share:g}"  # the run of `on_corpus` is not done twice
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
    model = on_corpus(config, "pretrained", config.encoder, config.seeds[0])
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
    return {key.replace("held_out_", "masked words: "): round(value, 4) for key, value in found.items()}


def markdown(found: Sequence[Mapping[str, Any]], columns: Sequence[str], first: str = "choice") -> str:
    """Rows as a Markdown table, in their order; the first column is the one named `first`."""
    lines = [f"| {first} | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for row in found:
        cells = [f"{row[c]:,}" if isinstance(row.get(c), (int, float)) else str(row.get(c, "")) for c in columns]
        lines.append(f"| {row[first]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def table(found: Mapping[str, Any]) -> str:
    """What was found, for a card: the scores of all seeds, the learning curve, the figures of raw text."""
    first = f"{len(found['seeds'])} seeds: mean (best less worst)"
    rows = [
        {first: measure} | {name: f"{value['mean']} ({value['spread']})" for name, value in part.items()}
        for measure, part in found["scores"].items()
    ]
    parts = [markdown(rows, ("pretrained", "random"), first)] if rows else []
    if points := found.get("learning curve"):
        parts.append(markdown(points, [key for key in points[0] if key != "words"], "words"))
    if raw := found.get("raw text"):
        parts.append(
            markdown([{"raw news": key, "figure": value} for key, value in raw.items()], ["figure"], "raw news")
        )
    return "\n\n".join(parts)


def main(config: JudgeConfig) -> None:
    """Measure what the config asks for; print it, and write `judgement.json`."""
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    random = random_encoder(config.encoder, output / "random", config.seeds[0])
    inits = {"pretrained": config.encoder, "random": random}
    scores: dict[str, dict[str, dict[str, float]]] = {}
    found: dict[str, Any] = {"encoder": Path(config.encoder).name, "seeds": config.seeds, "scores": scores}
    if config.anercorp:
        scores["ANERcorp, last sixth: entities"] = judge_entities(config, inits)
    if config.corpus_epochs:
        scores |= {f"shipped corpus, dev: {key}": part for key, part in judge_corpus(config, inits).items()}
    if config.curve:
        found["learning curve"] = learning_curve(config)
    if config.text:
        found["raw text"] = judge_text(config)
    found |= {"title": config.title, "table": table(found)}
    (output / "judgement.json").write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")
    print(found["table"])


if __name__ == "__main__":
    main(load_config(Path(sys.argv[1]), JudgeConfig, sys.argv[2:]))
