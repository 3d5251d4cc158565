"""The network: any Hugging Face encoder, and the heads on its words.

Takes batches of token ids with the places of words (`arnews.encode.Batch`); gives logits for each word, and for each
pair of a trigger and an entity. Needs the torch extra. Knows nothing of texts or offsets.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.utils import logging as hf_logging

from arnews.errors import ModelError
from arnews.folder import CONFIG, TOKENIZER, WEIGHTS, Folder, ModelConfig, sha256

DISTANCES = 16  # buckets of `arnews.decode.distance_bucket`


class Words(NamedTuple):
    """The network's outputs for N words: logits, and the vectors that links are scored from."""

    entity: Tensor  # (N, labels * 3): O, B, I of each label
    trigger: Tensor  # (N, 1 + 2 * types): O, then B and I of each type
    modality: Tensor  # (N, modalities), read at a trigger's first word
    proclitic: Tensor  # (N, 1 + longest), letters to cut, read at a span's first word
    hidden: Tensor  # (N, size)


class NewsModel(nn.Module):
    """Entities, triggers, modality, proclitics and argument roles over one encoder.

    Entities have a layer of their own for each label, so that they nest. A word is its first and last subword. Roles
    come from a biaffine product of trigger and entity with their types and distance (Dozat and Manning 2017).
    """

    def __init__(self, encoder: PreTrainedModel, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.prefix = encoder.base_model_prefix
        self.add_module(self.prefix, encoder)
        width, size = encoder.config.hidden_size, config.link_size
        self.dropout = nn.Dropout(config.dropout)
        self.word = nn.Linear(2 * width, width)
        self.entity = nn.Linear(width, 3 * len(config.entities))
        self.trigger = nn.Linear(width, 1 + 2 * len(config.events))
        self.modality = nn.Linear(width, len(config.modalities))
        self.proclitic = nn.Linear(width, 1 + config.proclitic)
        self.link_trigger = nn.Linear(width, size)
        self.link_entity = nn.Linear(2 * width, size)
        self.link_type = nn.Embedding(len(config.events), size)
        self.link_label = nn.Embedding(len(config.entities), size)
        self.link_distance = nn.Embedding(DISTANCES, size)
        self.link_product = nn.Linear(size, size * (1 + len(config.roles)), bias=False)
        self.link_sum = nn.Linear(size, 1 + len(config.roles))
        nn.init.normal_(self.link_product.weight, std=1.0 / size)
        for table in (self.link_type, self.link_label, self.link_distance):
            nn.init.normal_(table.weight, std=0.1)

    @property
    def encoder(self) -> PreTrainedModel:
        module = getattr(self, self.prefix)
        assert isinstance(module, PreTrainedModel)
        return module

    def forward(self, ids: Tensor, mask: Tensor, first: Tensor, last: Tensor) -> Words:
        """`ids`, `mask`: (B, T); `first`, `last`: (N,) places in B * T. Gives logits of the N words."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask)[0]  # (B, T, width)
        flat = hidden.reshape(-1, hidden.shape[-1])
        both = torch.cat([flat.index_select(0, first), flat.index_select(0, last)], dim=-1)  # (N, 2 * width)
        words = self.dropout(nn.functional.gelu(self.word(self.dropout(both))))  # (N, width)
        return Words(self.entity(words), self.trigger(words), self.modality(words), self.proclitic(words), words)

    def links(
        self, trigger: Tensor, first: Tensor, last: Tensor, kind: Tensor, label: Tensor, distance: Tensor
    ) -> Tensor:
        """Role logits of P pairs, index 0 for none: (P, 1 + roles).

        `trigger`, `first`, `last`: (P, width) vectors of the trigger's first and the entity's first and last word;
        `kind`, `label`, `distance`: (P,) event type, entity label, distance bucket.
        """
        left = self.link_trigger(trigger) + self.link_type(kind)
        right = self.link_entity(torch.cat([first, last], dim=-1)) + self.link_label(label)
        left = self.dropout(nn.functional.gelu(left + self.link_distance(distance)))  # (P, size)
        right = self.dropout(nn.functional.gelu(right))  # (P, size)
        product = self.link_product(left).unflatten(-1, (-1, self.config.link_size))  # (P, 1 + roles, size)
        scores: Tensor = (product * right.unsqueeze(1)).sum(-1) + self.link_sum(left + right)
        return scores

    def save_pretrained(self, path: str | Path, tokenizer_file: str | Path, *, half: bool = False) -> None:
        """Write a folder: config.json, model.safetensors, tokenizer.json; all of it or nothing.

        The encoder's part loads in `AutoModel.from_pretrained`. `half` stores weights in 16 bits.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=path.name + ".tmp-", dir=path.parent))
        try:
            kind = torch.float16 if half else torch.float32
            state = {name: value.detach().to("cpu", kind).contiguous() for name, value in self.state_dict().items()}
            save_file(state, temporary / WEIGHTS, metadata={"format": "pt"})
            shutil.copyfile(tokenizer_file, temporary / TOKENIZER)
            files = {TOKENIZER: sha256(temporary / TOKENIZER)}
            values = self.encoder.config.to_dict()
            values["architectures"] = [type(self.encoder).__name__]
            values["arnews"] = dataclasses.asdict(dataclasses.replace(self.config, files=files))
            values.pop("_name_or_path", None)
            (temporary / CONFIG).write_text(json.dumps(values, ensure_ascii=False, indent=1), encoding="utf-8")
            temporary.chmod(0o755)
            (temporary / WEIGHTS).chmod(0o644)
            swap(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @classmethod
    def from_pretrained(cls, folder: Folder) -> NewsModel:
        """Load a checked folder. Raises `ModelError` on missing, unexpected, misshapen or non-finite weights."""
        path = folder.path / WEIGHTS
        if not path.exists():
            raise ModelError(f"{path} is missing: this folder holds the exported graphs alone; use device='cpu'")
        try:
            state = load_file(path)
        except Exception as error:  # safetensors raises its own kind, and OSError
            raise ModelError(f"{path} is damaged ({error}): copy it again") from error
        values = {k: v for k, v in folder.encoder.items() if k != "model_type"}
        try:
            encoder = AutoModel.from_config(AutoConfig.for_model(folder.encoder["model_type"], **values))
            model = cls(_without_pooler(encoder), folder.config)
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"{folder.path / CONFIG} does not describe an encoder: {error}") from error
        _check_weights(state, model.state_dict(), path)
        model.load_state_dict({name: value.float() for name, value in state.items()})
        return model.eval()


def _check_weights(state: dict[str, Tensor], expected: dict[str, Tensor], path: Path) -> None:
    missing, extra = sorted(set(expected) - set(state)), sorted(set(state) - set(expected))
    if missing or extra:
        raise ModelError(
            f"{path} does not fit its config: missing {missing[:3]}, unexpected {extra[:3]}: save it again"
        )
    for name, value in state.items():
        if value.shape != expected[name].shape:
            raise ModelError(f"{path}: {name} is {tuple(value.shape)}, the config says {tuple(expected[name].shape)}")
        if not torch.isfinite(value).all():
            raise ModelError(f"{path}: {name} holds NaN or infinite numbers: take an earlier checkpoint")


def swap(temporary: Path, path: Path) -> None:
    """Put a finished folder in the place of an old one."""
    old = None
    if path.exists():
        old = path.with_name(path.name + f".old-{os.getpid()}")
        path.rename(old)
    temporary.rename(path)
    if old:
        shutil.rmtree(old)


def load_encoder(name: str, dropout: float | None = None) -> PreTrainedModel:
    """A pretrained encoder by path or hub id, refusing one with missing or non-finite weights. `dropout` replaces the
    share that its layers drop in training."""
    hf_logging.set_verbosity_error()
    config = encoder_config(name, dropout)
    encoder, report = AutoModel.from_pretrained(
        name, config=config, use_safetensors=True, trust_remote_code=False, output_loading_info=True
    )
    check_loaded(name, encoder, report)
    return _without_pooler(encoder)


def encoder_config(name: str, dropout: float | None) -> PretrainedConfig:
    """The shape of a checkpoint, with the share that its layers drop in training: None leaves it as it comes."""
    config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    if dropout is not None:
        config.update({"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout})
    return config


def check_loaded(name: str, model: PreTrainedModel, report: dict[str, Any]) -> None:
    """Refuse what `from_pretrained` has loaded with missing, misshapen or non-finite weights."""
    missing = [key for key in report["missing_keys"] if "pooler" not in key]
    if missing or report["mismatched_keys"]:
        raise ModelError(f"{name}: weights are missing or misshapen: {[*missing, *report['mismatched_keys']][:3]}")
    bad = [key for key, value in model.state_dict().items() if not torch.isfinite(value).all()]
    if bad:
        raise ModelError(f"{name}: {bad[0]} holds NaN or infinite numbers: take an earlier checkpoint")


def _without_pooler(encoder: PreTrainedModel) -> PreTrainedModel:
    """Sentence vectors are not used, and a pooler would be saved untrained."""
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder
