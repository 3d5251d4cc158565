"""What the tests share: a tiny model with random weights, which predicts nonsense everywhere and so breaks a decoder
far more often than a trained one; a runtime that finds one planted word; no network."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from arnews.encode import Batch
from arnews.folder import ModelConfig
from arnews.runtime import Pairs, WordLogits
from arnews.schema import schema
from arnews.text import WORD

SENTENCES = (
    "وصل الرئيس الفرنسي إلى القاهرة مساء الخميس للقاء نظيره المصري.",
    "أعلنت وزارة الصحة في تونس تسجيل 12 إصابة جديدة بالمرض، بعد أسبوعين من الهدوء.",
    "قال المتحدث باسم الجيش إن الطائرات قصفت مواقع قرب الحدود ولم يسقط قتلى!",
    "ارتفع مؤشر بورصة الكويت بنسبة 1.5% عند الإغلاق، وتراجعت أسعار النفط.",
    "هل يزور الوفد موسكو الأسبوع المقبل؟ لم يصدر تعليق من الكرملين.",
    "فاز الأهلي على الزمالك بهدفين في نهائي الكأس وتأهل إلى الدور الثاني.",
)


class NoNetwork(socket.socket):
    """Refuses every connection that is not on a socket file (R31)."""

    def connect(self, address: object) -> None:
        if self.family != getattr(socket, "AF_UNIX", None):
            raise AssertionError(f"the network was asked for: {address}")
        super().connect(address)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", NoNetwork)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def news(count: int, seed: int = 0, low: int = 3, high: int = 60) -> list[str]:
    """Texts of words drawn from the sentences above, with their marks."""
    rng = random.Random(seed)
    words = " ".join(SENTENCES).split()
    return [" ".join(rng.choices(words, k=rng.randint(low, high))) for _ in range(count)]


def make_tokenizer(path: Path, vocab_size: int = 300) -> Path:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Replace(Regex("[أإآ]"), "ا")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD.pattern), "removed", invert=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=special))
    tokenizer.save(str(path))
    return path


def model_config(**changes: object) -> ModelConfig:
    names = schema()
    labels = (tuple(names.entities), tuple(names.events), tuple(names.modalities), tuple(names.roles))
    return ModelConfig(*labels, **({"window": 66} | changes))  # type: ignore[arg-type]


def make_model(folder: Path, *, seed: int = 0) -> Path:
    """A folder as training writes it: one layer of 32, random weights scaled up so that every label is predicted."""
    import torch
    from transformers import RoFormerConfig, RoFormerModel

    from arnews.model import NewsModel

    torch.manual_seed(seed)
    tokenizer = make_tokenizer(folder.parent / f"{folder.name}-tokenizer.json")
    shape = RoFormerConfig(
        vocab_size=300,  # what was asked for: how many tokens training finds differs by a few
        embedding_size=16, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=128,
    )  # fmt: skip
    model = NewsModel(RoFormerModel(shape), model_config(link_size=8))
    for head in (model.entity, model.trigger, model.modality, model.proclitic, model.link_sum, model.word):
        head.weight.data.normal_(std=1.0)
    model.save_pretrained(folder, tokenizer)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with weights and no graphs."""
    return make_model(tmp_path_factory.mktemp("models") / "trained")


@pytest.fixture(scope="session")
def exported(trained: Path) -> Path:
    """The same model with its fp32 graphs."""
    from arnews.export import export

    target = trained.parent / "exported"
    export(trained, target, precision="fp32")
    return target


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny pretrained encoder, as the hub has them."""
    import torch
    from transformers import RoFormerConfig, RoFormerModel

    from training.tokens import wrap_tokenizer

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encoder") / "tiny"
    shape = RoFormerConfig(
        vocab_size=300, embedding_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=128,
    )  # fmt: skip
    RoFormerModel(shape).save_pretrained(folder)
    wrap_tokenizer(make_tokenizer(folder / "tokenizer.json")).save_pretrained(folder)
    return folder


class LookupRuntime:
    """Calls every word whose first subword is `target` a PERS, and nothing else anything."""

    def __init__(self, target: int, config: ModelConfig) -> None:
        self.target, self.config = target, config

    def words(self, batch: Batch) -> WordLogits:
        hit = batch.ids.reshape(-1)[batch.first] == self.target
        entity = np.zeros((len(hit), len(self.config.entities), 3), np.float32)
        entity[:, :, 0] = 5
        entity[hit, self.config.entities.index("PERS"), 1] = 9
        trigger = np.zeros((len(hit), 1 + 2 * len(self.config.events)), np.float32)
        trigger[:, 0] = 5
        others = (len(self.config.modalities), 1 + self.config.proclitic, 4)
        zeros = (np.zeros((len(hit), width), np.float32) for width in others)
        return WordLogits(entity.reshape(len(hit), -1), trigger, *zeros)

    def links(self, pairs: Pairs) -> np.ndarray:
        raise AssertionError("there is no trigger to link")
