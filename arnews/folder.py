"""A model folder: what lies in it, read without torch and checked before anything runs.

Takes a path or a hub id; gives the model's config and tokenizer. A folder holds `config.json` (a Hugging Face encoder
config with an `arnews` block), `tokenizer.json`, `model.safetensors` and, where exported, `model.onnx` and
`links.onnx`. No pickle is opened and no code of a folder is run. Knows nothing of the network.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from arnews.encode import MAX_PIECES, Special
from arnews.errors import ExtraMissing, ModelError

BUNDLED = Path(__file__).parent / "models" / "small"
CONFIG, TOKENIZER, WEIGHTS, GRAPH, LINKS = (
    "config.json", "tokenizer.json", "model.safetensors", "model.onnx", "links.onnx",
)  # fmt: skip
_WANTED = ("*.json", "*.safetensors", "*.onnx", "README.md", "vocab.txt", "*.model")
_TAG = re.compile(r"O|[BI]-.+")
_SPECIAL = (("[CLS]", "<s>"), ("[SEP]", "</s>"), ("[PAD]", "<pad>"))


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The `arnews` block of config.json: what the heads predict, and how texts are windowed.

    `window`: subwords of a window with its two special tokens. `files`: sha256 of the files that belong together.
    """

    entities: tuple[str, ...]
    events: tuple[str, ...]
    modalities: tuple[str, ...]
    roles: tuple[str, ...]
    window: int = 128
    proclitic: int = 4  # the longest proclitic that can be cut, in letters
    link_size: int = 128
    dropout: float = 0.1
    flat: bool = False  # one layer of tags for all entity labels and no events: a checkpoint from elsewhere
    files: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("entities", "events", "modalities", "roles"):
            labels = getattr(self, name)
            needed = name == "entities" or bool(self.events)  # a model without events has no modalities or roles
            if (
                (needed and not labels)
                or len(set(labels)) < len(labels)
                or not all(isinstance(x, str) and x for x in labels)
            ):
                raise ValueError(f"{name!r} must be a list of distinct labels, not {list(labels)}")
        if not MAX_PIECES + 2 <= self.window <= 8192:
            raise ValueError(f"'window' is {self.window}: it must lie between {MAX_PIECES + 2} and 8192")


@dataclass(frozen=True, slots=True)
class Folder:
    """A checked model folder."""

    path: Path
    encoder: dict[str, Any]  # the Hugging Face part of config.json
    config: ModelConfig
    tokenizer: Tokenizer
    special: Special


def sha256(path: Path) -> str:
    """The hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def resolve(name: str | Path | None) -> Path:
    """The folder of a model: the bundled one for None, a local path, or a download of a hub id."""
    if name is None:
        return BUNDLED
    path = Path(name)
    if path.exists() or str(name).startswith((".", "/", "~")) or str(name).count("/") != 1:
        return path.expanduser()
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ExtraMissing(f"loading {name!r} from the hub", "torch") from error
    try:
        return Path(snapshot_download(str(name), allow_patterns=list(_WANTED)))
    except Exception as error:  # the hub client raises many kinds; the user needs one sentence
        raise ModelError(f"{name!r} is no folder here, and the hub did not give it: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a model folder."""
    if not path.is_file():
        raise ModelError(f"{path} is missing: give a folder written by save_pretrained")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path} is not JSON ({error}): save the model again") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path} must hold an object, not a {type(values).__name__}")
    return values


def open_folder(path: Path) -> Folder:
    """Read and check a model folder. Raises `ModelError` with the file and the fix."""
    if not path.is_dir():
        raise ModelError(f"{path} is not a model folder: give a folder written by save_pretrained, or a hub id")
    encoder = read_json(path / CONFIG)
    for key in ("auto_map", "trust_remote_code"):
        if encoder.get(key):
            raise ModelError(f"{path / CONFIG} asks to run code of its own ({key!r}), which is never done: remove it")
    block = encoder.pop("arnews", None)
    if block is None and str(encoder.get("architectures", "")).endswith("ForTokenClassification']"):
        config = _foreign_config(encoder, path / CONFIG)
    elif isinstance(block, dict):
        config = _model_config(block, path / CONFIG)
    else:
        raise ModelError(f"{path / CONFIG} has no 'arnews' block: fine-tune the encoder first (training.finetune)")
    if not (path / WEIGHTS).exists() and not (path / GRAPH).exists():
        other = [p.name for p in path.iterdir() if p.suffix in (".bin", ".pt", ".pkl", ".ckpt")]
        hint = f" ({', '.join(other)} may run code when opened: convert it to safetensors)" if other else ""
        raise ModelError(f"{path / WEIGHTS} is missing: a model folder needs its weights{hint}")
    if config.flat and not (path / TOKENIZER).exists():
        return Folder(path, encoder, config, *check_tokenizer(_converted_tokenizer(path), path, encoder))
    check_files(path, config, (TOKENIZER,))
    return Folder(path, encoder, config, *read_tokenizer(path / TOKENIZER, encoder))


def _model_config(block: dict[str, Any], path: Path) -> ModelConfig:
    known = {field.name for field in dataclasses.fields(ModelConfig)}
    if unknown := sorted(set(block) - known):
        raise ModelError(f"{path}: the 'arnews' block has unknown keys {unknown}: a newer arnews may know them")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in block.items()}
    try:
        return ModelConfig(**values)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path}: the 'arnews' block is broken: {error}") from error


def check_files(path: Path, config: ModelConfig, names: tuple[str, ...]) -> None:
    """Refuse files that are missing or not those that were saved together with the config."""
    for name in names:
        if not (path / name).is_file():
            raise ModelError(f"{path / name} is missing: copy the whole model folder, or export it again")
        expected = config.files.get(name)
        if expected and sha256(path / name) != expected:
            raise ModelError(f"{path / name} is damaged or of another model (its sha256 differs): copy it again")


def bio_labels(encoder: dict[str, Any], where: Path) -> list[str]:
    """The tags of a token classifier's outputs, in their order: O, B-x and I-x. Raises `ModelError` for others."""
    tags = encoder.get("id2label")
    found = [str(tags.get(str(i))) for i in range(len(tags))] if isinstance(tags, dict) else []
    if "O" not in found or not all(_TAG.fullmatch(tag) for tag in found):
        raise ModelError(f"{where}: 'id2label' must name O, B-x and I-x tags, not {found[:5]}: fine-tune it first")
    if len(set(found)) < len(found):
        raise ModelError(f"{where}: 'id2label' has the same tag twice: {sorted(found)}")
    alone = [tag for tag in found if tag != "O" and {"B": "I", "I": "B"}[tag[0]] + tag[1:] not in found]
    if alone:
        raise ModelError(f"{where}: 'id2label' has {alone[0]!r} without its other half: a label needs B-x and I-x")
    return found


def _foreign_config(encoder: dict[str, Any], where: Path) -> ModelConfig:
    """The config of a plain token classifier: its labels as they are, in windows as long as it can read."""
    labels = tuple(dict.fromkeys(tag[2:] for tag in bio_labels(encoder, where) if tag != "O"))
    longest = encoder.get("max_position_embeddings")
    # RoBERTa and its kin lose two positions to the padding's number.
    window = min(512, longest - 2 if isinstance(longest, int) else 512)
    try:
        return ModelConfig(labels, (), (), (), window=window, proclitic=0, flat=True)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{where}: {error}") from error


def _converted_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a folder that has only the older files (`vocab.txt`)."""
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise ExtraMissing(f"reading {path} without a {TOKENIZER}", "torch") from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, use_fast=True, trust_remote_code=False)
        return Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    except Exception as error:  # transformers raises many kinds
        raise ModelError(f"{path} has no tokenizer that can be read ({error}): save it with save_pretrained") from error


def read_tokenizer(file: Path, encoder: dict[str, Any]) -> tuple[Tokenizer, Special]:
    """The tokenizer of a file and its special tokens; `encoder` is the config of the encoder it must fit."""
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the Rust side raises a bare Exception
        raise ModelError(f"{file} cannot be read ({error}): copy it again") from error
    return check_tokenizer(tokenizer, file, encoder)


def check_tokenizer(tokenizer: Tokenizer, where: Path, encoder: dict[str, Any]) -> tuple[Tokenizer, Special]:
    """A tokenizer with its special tokens, refused where its vocabulary is not the encoder's."""
    size, largest = encoder.get("vocab_size"), tokenizer.get_vocab_size()
    if size is not None and largest > size:
        raise ModelError(f"{where} has {largest} tokens, the model {size}: it is the tokenizer of another model")
    found = [next((tokenizer.token_to_id(n) for n in names if n in tokenizer.get_vocab()), None) for names in _SPECIAL]
    if None in found:
        raise ModelError(f"{where} lacks a special token: it needs [CLS], [SEP] and [PAD] (or <s>, </s>, <pad>)")
    return tokenizer, Special(*(i for i in found if i is not None))
