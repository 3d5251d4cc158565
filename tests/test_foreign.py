"""Token classifiers from elsewhere, in the shape that the hub has them, made here with random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForTokenClassification, BertConfig, BertForTokenClassification, BertTokenizerFast

from arnews import ModelError, Tagger
from tests.conftest import SENTENCES, make_tokenizer, news

TAGS = ["I-PERS", "O", "B-LOC", "B-PERS", "I-LOC", "B-صحيفة", "I-صحيفة"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("foreign") / "camelbert-ner"
    folder.mkdir()
    make_tokenizer(folder / "tokenizer.json")
    shape = BertConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=128, id2label=dict(enumerate(TAGS)), label2id={t: i for i, t in enumerate(TAGS)},
    )  # fmt: skip
    model = BertForTokenClassification(shape)
    model.classifier.weight.data.normal_(std=1.0)
    model.save_pretrained(folder)
    return folder


def best_tags(folder: Path, text: str, tagger: Tagger) -> list[str]:
    """What the checkpoint itself says of each word of a short text, at its first subword."""
    model = AutoModelForTokenClassification.from_pretrained(folder)
    words = text.split()
    pieces, counts = tagger._encode(words)
    ids = torch.tensor([[tagger.folder.special.cls, *pieces.tolist(), tagger.folder.special.sep]])
    first = torch.tensor([1 + sum(counts[:i]) for i in range(len(words))])
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0, first]
    return [TAGS[i] for i in logits.argmax(-1).tolist()]


def test_foreign_classifier_tags_with_its_own_labels_and_our_offsets(classifier: Path) -> None:
    tagger = Tagger(classifier)
    assert tagger.config.entities == ("PERS", "LOC", "صحيفة") and tagger.config.window == 126
    found = set()
    for document in tagger(news(40)):
        assert document.events == () and document.coverage == 1.0
        for e in document.entities:
            assert document.text[e.start : e.end] == e.text and 0 < e.score <= 1
            found.add(e.label)
        for left, right in zip(document.entities, document.entities[1:], strict=False):
            assert left.end <= right.start
    assert found == {"PERS", "LOC", "صحيفة"}


def test_foreign_classifier_says_what_the_checkpoint_says(classifier: Path) -> None:
    tagger = Tagger(classifier)
    legal = 0
    for text in news(60, low=3, high=6):
        text = " ".join(word for word in text.split() if word.isalpha())
        tags = best_tags(classifier, text, tagger)
        if any(t[0] == "I" and (i == 0 or tags[i - 1][1:] != t[1:]) for i, t in enumerate(tags)):
            continue  # not a legal path: ours differs on purpose
        legal += 1
        assert tagger.tag_words(text.split()) == tags
    assert legal >= 10


def test_foreign_classifier_reads_a_long_text_to_its_end(classifier: Path) -> None:
    text = " ".join(SENTENCES * 40)
    tagger = Tagger(classifier)
    document = tagger(text)
    assert document.coverage == 1.0 and document.entities[-1].end > len(text) * 0.98
    assert tagger("").entities == () and tagger("!").events == ()


def test_foreign_folder_with_a_vocabulary_file_alone_is_read(classifier: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(classifier, folder)
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)) + "\n", encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=False)  # what transformers itself makes of it
    document = Tagger(folder)(SENTENCES[0])
    assert all(document.text[e.start : e.end] == e.text for e in document.entities)


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        (["LABEL_0", "LABEL_1", "O"], "O, B-x and I-x"),
        (["B-LOC", "I-LOC"], "O, B-x and I-x"),
        (["O", "B-LOC", "I-LOC", "B-PERS"], "'B-PERS' without its other half"),
        (["O", "B-LOC", "I-LOC", "O"], "same tag twice"),
    ],
)
def test_foreign_labels_that_are_no_bio_are_refused(
    classifier: Path, tmp_path: Path, tags: list[str], says: str
) -> None:
    folder = tmp_path / "bad"
    shutil.copytree(classifier, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["id2label"] = {str(i): tag for i, tag in enumerate(tags)}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match=says):
        Tagger(folder)


def test_foreign_weights_that_are_missing_or_pickled_are_refused(classifier: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    shutil.copytree(classifier, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="convert it to safetensors"):
        Tagger(folder)
    (folder / "model.safetensors").write_bytes(b"\x00" * 50)
    with pytest.raises(ModelError, match="damaged"):
        Tagger(folder)
