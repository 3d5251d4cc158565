"""The instrument: arnews beside its peers on the same text, and where its own time goes.

    python -m training.benchmark [--quick] [--json] [--runs N] [--text FILE] [--output DIR] [--gpu]

Every run is a process of its own; systems take turns. Peers run checkpoints of random weights that are made here.
Ratios are medians over the runs; absolute figures depend on the machine. `--text` is raw news, one paragraph a line and
a blank line between documents (default: the shipped corpus). `--output` writes `benchmark.md` and two plots. `--gpu`
measures BERT-base in bf16 on a GPU instead. A peer that is not installed, as camel-tools, is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from arnews.datasets import corpus, sentence_offsets
from arnews.report import pyplot_agg
from training.peers import PEERS, export_base, make_checkpoints

# Words that each system reads in a run, so that slow ones do not take hours.
WORDS = {"arnews": 100_000, "pipeline": 4_000, "pipeline_1": 4_000, "pipeline_best": 10_000, "camel": 2_000,
         "pipeline_ours": 30_000, "arnews_base_fp32": 8_000, "arnews_base": 16_000}  # fmt: skip
QUICK = {"arnews": 30_000, "pipeline": 1_000, "pipeline_best": 2_500}
# ratio: (our system, theirs)
RATIOS = {
    "ratio_to_pipeline": ("arnews", "pipeline"),
    "ratio_to_pipeline_best": ("arnews", "pipeline_best"),
    "ratio_to_camel": ("arnews", "camel"),
    "ratio_of_engines": ("arnews", "pipeline_ours"),
    "ratio_of_base": ("arnews_base", "pipeline_best"),
}
LENGTHS = (500, 2_000, 10_000, 50_000)
Runs = dict[str, list[dict[str, float]]]


def articles(path: Path | None, words: int) -> list[str]:
    """Articles in an order that is always the same, about this many words in all."""
    if path is None:
        found = [item.document.text for split in ("dev", "test", "train") for item in corpus(split)]
    else:
        from arnews.variety import read_raw

        found = [document.text for document in read_raw(path)]
    random.Random(0).shuffle(found)
    out: list[str] = []
    total = 0
    while total < words:
        out.append(found[len(out) % len(found)])
        total += len(out[-1].split())
    return out


def sentences(texts: Sequence[str]) -> list[str]:
    """What a pipeline can read without being cut at 512 subwords, and with the least padding: every sentence."""
    return [text[start:end] for text in texts for start, end in sentence_offsets(text)]


def measure(runs: int, words: Mapping[str, int], text: Path | None, folder: Path) -> Runs:
    """Runs of all systems in alternation, each in a process of its own."""
    make_checkpoints(folder)
    if any(name.startswith("arnews_base") for name in words):
        export_base(folder)
    found: Runs = {name: [] for name in words}
    for name, count in words.items():
        texts = articles(text, count)
        # The pipeline at its best reads whole articles, with a stride; in its usual setting it would cut them.
        given = texts if name == "pipeline_best" or name.startswith("arnews") else sentences(texts)
        (folder / f"{name}.json").write_text(json.dumps(given), encoding="utf-8")
    # The peers' checkpoints have just been written and lie in the page cache; a first run that is not counted brings
    # ours there too.
    for run in range(-1, runs):
        for name, runs_of in found.items():
            if run < 0 and name != "arnews":
                continue
            command = [sys.executable, "-m", "training.peers", name, str(folder / f"{name}.json"), str(folder)]
            done = subprocess.run([*command, str(time.time())], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{name}: {done.stderr[-500:]}")
            if run >= 0:
                runs_of.append(json.loads(done.stdout.splitlines()[-1]))
    return found


def summary(found: Runs) -> dict[str, Any]:
    """Medians of each figure, and medians of the ratios run by run."""

    def median(name: str, key: str) -> float:
        return statistics.median(row[key] for row in found[name])

    def ratio(ours: str, theirs: str, key: str) -> float:
        return statistics.median(a[key] / b[key] for a, b in zip(found[ours], found[theirs], strict=True))

    out: dict[str, Any] = {
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "runs": len(found["arnews"]),
        "words_per_second": round(median("arnews", "words_per_second")),
        "cold_start_s": round(median("arnews", "cold_start_s"), 2),
        "peak_rss_mb": round(median("arnews", "peak_rss_mb")),
        "cold_start_ratio": round(ratio("arnews", "pipeline", "cold_start_s"), 3),
        "peak_rss_ratio": round(ratio("arnews", "pipeline", "peak_rss_mb"), 3),
    }
    for name, (ours, theirs) in RATIOS.items():
        if ours in found and theirs in found:
            out[name] = round(ratio(ours, theirs, "words_per_second"), 1)
    keys = ("words_per_second", "cold_start_s", "peak_rss_mb")
    out["systems"] = {name: {key: round(median(name, key), 2) for key in keys} for name in found}
    return out


def table(s: Mapping[str, Any]) -> str:
    """The summary as Markdown."""
    rows = [
        f"{s['machine']}, medians of {s['runs']} runs",
        "",
        "| system | words/s | cold start to first result, s | peak memory, MB |",
        "|---|---|---|---|",
    ]
    for name, x in s["systems"].items():
        rows.append(f"| {PEERS[name]} | {x['words_per_second']:,.0f} | {x['cold_start_s']} | {x['peak_rss_mb']:,.0f} |")
    rows += ["", "| ratio of the same runs | |", "|---|---|"]
    titles = {
        "ratio_to_pipeline": "words/s, bundled model to the pipeline, batch 32",
        "ratio_to_pipeline_best": "words/s, bundled model to the pipeline at its best",
        "ratio_to_camel": "words/s, bundled model to CAMeL Tools",
        "ratio_of_engines": "words/s, our engine to the pipeline on the same encoder",
        "ratio_of_base": "words/s, BERT-base in our engine to the pipeline at its best",
        "cold_start_ratio": "cold start, to the pipeline's",
        "peak_rss_ratio": "peak memory, to the pipeline's",
    }
    rows += [f"| {title} | {s[key]} |" for key, title in titles.items() if key in s]
    for title, part in s.get("profile", {}).items():
        rows += ["", f"| {title} | |", "|---|---|", *(f"| {key} | {value} |" for key, value in part.items())]
    return "\n".join(rows)


def profile(text: Path | None, runs: int, documents: int) -> dict[str, dict[Any, Any]]:
    """Where the bundled model's time goes, on this machine."""
    from arnews import Tagger
    from training import profiling

    tagger, texts = Tagger(), articles(text, 40_000)
    list(tagger.pipe(texts[:20]))
    found = profiling.operators(tagger, texts[:60])
    peak = profiling.matrix_peak()
    products = found["int8 products, GOP/s"]
    spent = profiling.lengths(tagger, texts, LENGTHS, runs)
    out: dict[str, dict[Any, Any]] = {
        "stages": profiling.stages(tagger, texts),
        "operators, % of the graph's time": found["operators, % of the graph's time"],
        "int8 matrix products, GOP/s": {
            "in the graph": products, "peak of the machine": round(peak), "share, %": round(100 * products / peak),
        },
        "microseconds a word, by words of the text": spent,
    }  # fmt: skip
    if documents:
        out["memory over a stream"] = profiling.growth(tagger, [text[:600] for text in texts], documents)
    return out


def plot(s: Mapping[str, Any], folder: Path) -> None:
    """`speed.png`: words/s against the model's size; `length.png`: time against the length of the text."""
    from arnews.folder import BUNDLED, WEIGHTS

    pyplot = pyplot_agg()
    small, base = (BUNDLED / WEIGHTS).stat().st_size / 2e6, 110.0  # millions of parameters
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for name, x in s["systems"].items():
        size = small if name in ("arnews", "pipeline_ours") else base
        axes.plot(size, x["words_per_second"], "o" if name.startswith("arnews") else "s", label=PEERS[name])
    axes.set(xscale="log", yscale="log", xlabel="millions of parameters", ylabel="words/s")
    axes.legend(fontsize=7)
    figure.savefig(folder / "speed.png", dpi=120, bbox_inches="tight")
    spent = s["profile"]["microseconds a word, by words of the text"]
    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.plot(list(spent), [words * micros / 1e6 for words, micros in spent.items()], marker="o")
    axes.set(xlabel="words of one text", ylabel="seconds", xlim=(0, None), ylim=(0, None))
    figure.savefig(folder / "length.png", dpi=120, bbox_inches="tight")


def gpu(text: Path | None, runs: int, folder: Path) -> dict[str, Any]:
    """Words per second of BERT-base shape, and of the bundled model, in bf16 on the GPU."""
    import torch

    from arnews import Tagger

    make_checkpoints(folder)
    texts = articles(text, 400_000)
    words = sum(len(t.split()) for t in texts)
    out: dict[str, Any] = {"device": torch.cuda.get_device_name(), "runs": runs}
    for name, model in (("BERT-base", folder / "news"), ("bundled", None)):
        tagger = Tagger(model, device="cuda", dtype="bf16")
        list(tagger.pipe(texts[:200]))
        rates = []
        for _ in range(runs):
            started = time.perf_counter()
            list(tagger.pipe(texts))
            rates.append(words / (time.perf_counter() - started))
        out[f"{name}, words/s"] = round(statistics.median(rates))
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="one run of three systems, under a minute")
    parser.add_argument("--json", action="store_true", help="the summary for programs")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--text", type=Path, help="raw news to read")
    parser.add_argument("--output", type=Path, help="a folder for benchmark.md and the plots")
    parser.add_argument("--documents", type=int, default=20_000, help="of the stream whose memory is watched")
    parser.add_argument("--gpu", action="store_true", help="BERT-base in bf16 on a GPU")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if given.gpu:
            print(json.dumps(gpu(given.text, given.runs, Path(name))))
            return
        words = dict(QUICK if given.quick else WORDS)
        if find_spec("camel_tools") is None:
            words.pop("camel", None)
        result = summary(measure(1 if given.quick else given.runs, words, given.text, Path(name)))
    if not given.quick:
        result["profile"] = profile(given.text, given.runs, given.documents)
    if given.output:
        given.output.mkdir(parents=True, exist_ok=True)
        (given.output / "benchmark.md").write_text(table(result) + "\n", encoding="utf-8")
        plot(result, given.output)
    print(json.dumps(result) if given.json else table(result))


if __name__ == "__main__":
    main()
