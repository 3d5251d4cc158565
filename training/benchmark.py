"""Words per second, cold start and peak memory: the bundled model beside the usual transformers pipeline.

    python -m training.benchmark [--quick] [--json] [--runs N]

Both read the same sentences on the same cores, in turn, each in a process of its own. The pipeline runs a checkpoint
of BERT-base shape with 30,000 subwords and random weights, made here: speed does not depend on what was learned.
Ratios are medians over the runs; absolute figures depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from arnews.datasets import corpus

PIPELINE_BATCH = 32


def sentences(words: int) -> list[str]:
    """Sentences of the shipped corpus, about this many words in all."""
    found = [
        item.document.text[start:end]
        for split in ("dev", "test", "train")
        for item in corpus(split)
        for start, end in item.document.sentences
    ]
    random.Random(0).shuffle(found)
    out: list[str] = []
    total = 0
    while total < words:
        out.append(found[len(out) % len(found)])
        total += len(out[-1].split())
    return out


def make_checkpoint(folder: Path) -> None:
    """A BERT-base token classifier with random weights, with a tokenizer of 30,000 subwords of the corpus."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

    from arnews.text import WORD

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD.pattern), "removed", invert=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    texts = [item.document.text for split in ("train", "dev", "test") for item in corpus(split)]
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=30_000, special_tokens=special))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **names).save_pretrained(folder)
    labels = ["O", *(f"{p}-{t}" for t in ("PERS", "LOC", "ORG", "MISC") for p in "BI")]
    BertForTokenClassification(
        BertConfig(vocab_size=30_000, id2label=dict(enumerate(labels)), label2id={x: i for i, x in enumerate(labels)})
    ).save_pretrained(folder)


def one_run(system: str, texts: list[str], checkpoint: str, started: float) -> dict[str, float]:
    """In a fresh process: the time to the first result, then words per second, then the peak memory."""
    words = sum(len(text.split()) for text in texts)
    if system == "arnews":
        from arnews import Tagger

        tagger = Tagger()
        tagger(texts[0])
        cold = time.time() - started
        clock = time.perf_counter()
        count = sum(1 for _ in tagger.pipe(texts))
    else:
        from transformers import pipeline

        tag = pipeline("token-classification", model=checkpoint, aggregation_strategy="simple", device="cpu")
        tag(texts[0])
        cold = time.time() - started
        clock = time.perf_counter()
        count = len(tag(texts, batch_size=PIPELINE_BATCH))
    wall = time.perf_counter() - clock
    assert count == len(texts)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    return {"words_per_second": words / wall, "cold_start_s": cold, "peak_rss_mb": peak}


def measure(runs: int, words: dict[str, int]) -> dict[str, list[dict[str, float]]]:
    """Runs of both systems in alternation, each in a process of its own."""
    found: dict[str, list[dict[str, float]]] = {"arnews": [], "pipeline": []}
    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint(Path(folder))
        for _ in range(runs):
            for system, runs_of in found.items():
                command = [sys.executable, "-m", "training.benchmark", "--child", system, "--checkpoint", folder]
                command += ["--words", str(words[system]), "--started", str(time.time())]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                runs_of.append(json.loads(done.stdout.splitlines()[-1]))
    return found


def summary(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians of each figure, and medians of the ratios run by run."""
    ours, theirs = found["arnews"], found["pipeline"]

    def median(rows: list[dict[str, float]], key: str) -> float:
        return statistics.median(row[key] for row in rows)

    def ratio(key: str) -> float:
        return statistics.median(a[key] / b[key] for a, b in zip(ours, theirs, strict=True))

    return {
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "runs": len(ours),
        "words_per_second": round(median(ours, "words_per_second")),
        "pipeline_words_per_second": round(median(theirs, "words_per_second")),
        "ratio_to_pipeline": round(ratio("words_per_second"), 1),
        "cold_start_s": round(median(ours, "cold_start_s"), 2),
        "pipeline_cold_start_s": round(median(theirs, "cold_start_s"), 2),
        "cold_start_ratio": round(ratio("cold_start_s"), 3),
        "peak_rss_mb": round(median(ours, "peak_rss_mb")),
        "pipeline_peak_rss_mb": round(median(theirs, "peak_rss_mb")),
        "peak_rss_ratio": round(ratio("peak_rss_mb"), 3),
    }


def table(s: dict[str, Any]) -> str:
    """The summary as a Markdown table."""
    return "\n".join(
        [
            f"{s['machine']}, medians of {s['runs']} runs",
            "",
            "| | arnews, bundled model | transformers pipeline, BERT-base, batch 32 | ratio |",
            "|---|---|---|---|",
            f"| words/s | {s['words_per_second']:,} | {s['pipeline_words_per_second']:,} | {s['ratio_to_pipeline']} |",
            f"| cold start to first result, s | {s['cold_start_s']} | {s['pipeline_cold_start_s']} "
            f"| {s['cold_start_ratio']} |",
            f"| peak memory, MB | {s['peak_rss_mb']:,} | {s['pipeline_peak_rss_mb']:,} | {s['peak_rss_ratio']} |",
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="one run, under a minute")
    parser.add_argument("--json", action="store_true", help="the summary for programs")
    parser.add_argument("--runs", type=int, default=5)
    for name in ("--child", "--checkpoint"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--words", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(one_run(given.child, sentences(given.words), given.checkpoint, given.started)))
        return
    words = {"arnews": 20_000, "pipeline": 1_500} if given.quick else {"arnews": 100_000, "pipeline": 5_000}
    result = summary(measure(1 if given.quick else given.runs, words))
    print(json.dumps(result) if given.json else table(result))


if __name__ == "__main__":
    main()
