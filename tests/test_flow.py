"""One article through every arrow of the flow."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from arnews import Document, Tagger
from arnews.decode import decode
from arnews.encode import WordEncoder, batches
from arnews.folder import BUNDLED, open_folder
from arnews.runtime.onnx import OnnxRuntime
from arnews.segment import sentence_bounds, windows
from arnews.tagger import read
from arnews.text import clean

PAGE = Path(__file__).parent / "data" / "page.txt"


def test_flow_from_page_to_document() -> None:
    raw = PAGE.read_text(encoding="utf-8")

    text = clean(raw)  # text
    assert "4.2 مليار" in text.clean and "٤٫٢ مليار" in raw
    assert len(text.starts) == len(text.clean) < len(raw)

    words = text.words()  # segment
    sentences = sentence_bounds(text.clean, words)
    assert [i for a, b in sentences for i in range(a, b)] == list(range(len(words)))
    assert "\n" not in "".join(text.clean[words[a][0] : words[b - 1][1]] for a, b in sentences)

    folder = open_folder(BUNDLED)  # encode
    pieces, counts = WordEncoder(folder.tokenizer)([text.clean[a:b] for a, b in words])
    spans = windows(sentences, counts, folder.config.window - 2)
    made = list(batches(pieces, counts, spans, folder.special, 4096))
    assert sorted(np.concatenate([b.words for b in made]).tolist()) == list(range(len(words)))

    runtime = OnnxRuntime(folder)  # runtime
    outputs = runtime.words(made[0])
    assert outputs.entity.shape == (len(made[0].first), 3 * 19) and outputs.trigger.shape[1] == 1 + 2 * 31

    tagger = Tagger()  # decode
    logits, seen = tagger._run(made, len(words))
    (document,) = decode(read(raw), logits, runtime, folder.config, seen)
    assert document == tagger(raw)
    assert isinstance(document, Document) and document.text == raw


def test_flow_finds_what_the_page_says() -> None:
    document = Tagger()(PAGE.read_text(encoding="utf-8"))
    labels = {(e.name, e.label) for e in document.entities}
    assert {("القاهرة", "GPE"), ("بيروت", "GPE"), ("15%", "PERCENT")} <= labels
    assert {"افتتحت", "رحّب"} <= {e.trigger for e in document.events}
    assert any(argument.role == "AGENT" for event in document.events for argument in event.arguments)
