"""Taggers to measure beside ours, each run in a process of its own by `training.benchmark`.

Takes texts and a folder with checkpoints of random weights, which `make_checkpoints` writes: speed does not depend on
what was learned. Gives words per second, the time to the first result, and the peak memory.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from arnews.datasets import corpus

# name: what the README calls it
PEERS = {
    "arnews": "arnews, bundled model",
    "pipeline": "transformers pipeline, BERT-base, batch 32",
    "pipeline_1": "transformers pipeline, BERT-base, batch 1",
    "pipeline_best": "transformers pipeline, BERT-base, at its best (whole articles, stride, bf16)",
    "camel": "CAMeL Tools NERecognizer, BERT-base",
    "pipeline_ours": "transformers pipeline, our encoder, batch 32",
    "arnews_base_fp32": "arnews, BERT-base, ONNX fp32",
    "arnews_base": "arnews, BERT-base, ONNX int8",
}
Tag = Callable[[Sequence[str]], int]  # tags texts, gives how many


def make_checkpoints(folder: Path) -> None:
    """`base`: a BERT-base token classifier of 30,000 subwords; `ours`: a token classifier on the bundled encoder;
    `news-fp32`, `news-int8`: our heads on BERT-base, exported."""
    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import (
        BertConfig,
        BertForTokenClassification,
        PreTrainedTokenizerFast,
        RoFormerForTokenClassification,
    )

    from arnews.folder import BUNDLED, open_folder
    from arnews.model import NewsModel, load_encoder
    from arnews.text import WORD
    from training.tokens import SPECIAL, wrap_tokenizer

    torch.manual_seed(0)
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD.pattern), "removed", invert=True)
    texts = [item.document.text for split in ("train", "dev", "test") for item in corpus(split)]
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=30_000, special_tokens=list(SPECIAL)))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    base = folder / "base"
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **names).save_pretrained(base)
    tags = ["O", *(f"{p}-{t}" for t in ("PERS", "LOC", "ORG", "MISC") for p in "BI")]
    labels: dict[str, Any] = {"id2label": dict(enumerate(tags)), "label2id": {x: i for i, x in enumerate(tags)}}
    model = BertForTokenClassification(BertConfig(vocab_size=30_000, **labels))
    model.save_pretrained(base)
    shutil.copy(base / "tokenizer.json", folder / "tokenizer.json")
    # CAMeL Tools looks for its own vocabulary file.
    vocabulary = tokenizer.get_vocab()
    (base / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=lambda w: vocabulary[w])) + "\n", encoding="utf-8")
    ours = RoFormerForTokenClassification.from_pretrained(BUNDLED, num_labels=len(tags), **labels)
    ours.save_pretrained(folder / "ours")
    wrap_tokenizer(BUNDLED / "tokenizer.json").save_pretrained(folder / "ours")
    news = NewsModel(load_encoder(str(base)), open_folder(BUNDLED).config)
    news.save_pretrained(folder / "news", folder / "tokenizer.json")
    quieten(news, folder / "news", texts[:3])
    news.save_pretrained(folder / "news", folder / "tokenizer.json")


def quieten(model: Any, folder: Path, texts: Sequence[str]) -> None:
    """Move the heads' biases until random weights mark about as much as a trained model does: 2% of the words begin an
    entity of a label, 8% a trigger. Else the time would go into decoding spans that no text has."""
    import numpy as np
    import torch

    from arnews import Tagger
    from arnews.tagger import read

    tagger = Tagger(folder, dtype="fp32")
    parts = [part for text in texts for part in read(text)]
    logits, _ = tagger._run(tagger.batches(parts), sum(len(part.words) for part in parts))
    entity = logits.entity.reshape(len(logits.entity), -1, 3)
    lift = np.quantile(entity[:, :, 1:].max(2) - entity[:, :, 0], 0.98, axis=0)
    with torch.no_grad():
        model.entity.bias[0::3] += torch.from_numpy(lift).float()
        model.trigger.bias[0] += float(np.quantile(logits.trigger[:, 1:].max(1) - logits.trigger[:, 0], 0.92))


def export_base(folder: Path) -> None:
    """Our heads on BERT-base as fp32 and int8 graphs; random weights have no F1 to lose, so the gate is not asked."""
    from arnews.export import _quiet, _seal, export, quantize_static

    export(folder / "news", folder / "news-fp32", precision="fp32")
    shutil.copytree(folder / "news-fp32", folder / "news-int8")
    with _quiet():
        quantize_static(folder / "news-int8")
    _seal(folder / "news-int8")


def load(name: str, folder: Path) -> Tag:
    """The tagger of that name, as its users would run it."""
    if name.startswith("arnews"):
        from arnews import Tagger

        found = {"arnews_base": folder / "news-int8", "arnews_base_fp32": folder / "news-fp32"}.get(name)
        tagger = Tagger(found)
        return lambda texts: sum(1 for _ in tagger.pipe(texts))
    if name == "camel":
        from camel_tools.ner import NERecognizer

        recognizer = NERecognizer(str(folder / "base"))
        return lambda texts: len(recognizer.predict([re.findall(r"\w+|[^\w\s]", text) for text in texts]))
    import torch
    from transformers import pipeline

    settings: dict[str, Any] = {"model": str(folder / ("ours" if name == "pipeline_ours" else "base")), "device": "cpu"}
    if name == "pipeline_best":
        settings |= {"stride": 64, "dtype": torch.bfloat16}
    if name == "pipeline_ours":
        from transformers import PreTrainedTokenizerFast

        settings["tokenizer"] = PreTrainedTokenizerFast.from_pretrained(folder / "ours")
    tag = pipeline("token-classification", aggregation_strategy="simple", **settings)
    batch = {"pipeline_1": 1, "pipeline_best": 1}.get(name, 32)
    return lambda texts: len(tag(list(texts), batch_size=batch))


def run(name: str, texts: list[str], folder: Path, started: float) -> dict[str, float]:
    """In a fresh process: the time to the first result, then words per second, then the peak memory."""
    tag = load(name, folder)
    tag(texts[:1])
    cold = time.time() - started
    clock = time.perf_counter()
    count = tag(texts)
    wall = time.perf_counter() - clock
    if count != len(texts):
        raise RuntimeError(f"{name} gave {count} results for {len(texts)} texts")
    words = sum(len(text.split()) for text in texts)
    return {"words_per_second": words / wall, "cold_start_s": cold, "peak_rss_mb": peak_mb()}


def peak_mb() -> float:
    """The most memory that this process has held. Not `ru_maxrss`, which a process inherits from its parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


if __name__ == "__main__":
    peer, file, checkpoints, since = sys.argv[1:5]
    print(json.dumps(run(peer, json.loads(Path(file).read_text(encoding="utf-8")), Path(checkpoints), float(since))))
