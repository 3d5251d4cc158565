"""Raw text for pretraining: a tokenizer, all tokens packed in one file, and token vectors from counts.

Takes text files; gives a Hugging Face tokenizer and arrays. Knows nothing of the network.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from arnews.text import WORD, clean

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def documents(paths: tuple[str, ...]) -> Iterator[str]:
    """The cleaned paragraphs of the text files; an empty string ends each document."""
    for name in paths:
        opener = lzma.open if name.endswith(".xz") else open
        with opener(name, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield clean(line.strip()).clean
            yield ""


def build_tokenizer(texts: tuple[str, ...], vocab_size: int, folder: Path) -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer on words as arnews.text splits them; forms of alef with hamza or madda count as one,
    since half of the web leaves them out."""
    path = folder / "tokenizer.json"
    if not path.exists():
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Replace(Regex("[\\p{Mn}\u0640]"), ""), normalizers.Replace(Regex("[أإآٱ]"), "ا")]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD.pattern), "removed", invert=True)
        tokenizer.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocab_size, special_tokens=list(SPECIAL), limit_alphabet=400, min_frequency=2
        )
        tokenizer.train_from_iterator(documents(texts), trainer)
        ids = {name: tokenizer.token_to_id(name) or 0 for name in SPECIAL}
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
        tokenizer.save(str(path))
    return wrap_tokenizer(path)


def wrap_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """The tokenizer file with its special tokens named, as Hugging Face models expect it."""
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_file=str(path), model_max_length=512, **names)


def load_tokenizer(name: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a Hugging Face checkpoint, or of a tagger's folder, which holds its file alone."""
    if (Path(name) / "tokenizer.json").exists() and not (Path(name) / "tokenizer_config.json").exists():
        return wrap_tokenizer(Path(name) / "tokenizer.json")
    return PreTrainedTokenizerFast.from_pretrained(name)


def pack(texts: tuple[str, ...], tokenizer: PreTrainedTokenizerFast, folder: Path) -> np.ndarray:
    """All token ids in one memory-mapped uint32 array, [SEP] after each document."""
    path = folder / "tokens.u32"
    if not path.exists():
        backend, sep = tokenizer.backend_tokenizer, tokenizer.sep_token_id
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as out:
            for batch in batched(documents(texts), 4096):
                filled = [text for text in batch if text]
                encoded = iter(backend.encode_batch_fast(filled, add_special_tokens=False))
                for text in batch:
                    ids = next(encoded).ids if text else [sep]
                    out.write(np.asarray(ids, dtype=np.uint32).tobytes())
        temporary.replace(path)
    return np.memmap(path, dtype=np.uint32, mode="r")


def batched(items: Iterator[str], size: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch


def word_starts(tokenizer: PreTrainedTokenizerFast) -> np.ndarray:
    """For each token id, whether it begins a word: (vocabulary,) bool."""
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    if any(token.startswith("##") for token in tokens):
        return np.array([not token.startswith("##") for token in tokens])
    return np.array([token[:1] in ("▁", "Ġ") for token in tokens])


def count_embeddings(tokens: np.ndarray, vocabulary: int, width: int, window: int = 5) -> np.ndarray:
    """Token vectors from the co-occurrence matrix: positive pointwise mutual information, then a truncated SVD.

    (vocabulary, width) float32. Levy, Goldberg and Dagan 2015, with their context smoothing of 0.75.
    """
    from scipy.sparse import coo_matrix, csr_matrix
    from scipy.sparse.linalg import svds

    counts = csr_matrix((vocabulary, vocabulary), dtype=np.float32)
    for chunk in np.array_split(tokens, max(1, len(tokens) // 2_000_000)):
        for distance in range(1, window + 1):
            pair = (chunk[:-distance].astype(np.int32), chunk[distance:].astype(np.int32))
            weight = np.full(len(pair[0]), 1.0 / distance, dtype=np.float32)
            counts = counts + coo_matrix((weight, pair), shape=counts.shape).tocsr()
    counts = counts + counts.T
    total = np.asarray(counts.sum(axis=1)).ravel() + 1e-9
    smoothed = total**0.75
    rows, columns = counts.nonzero()
    share = np.asarray(counts[rows, columns]).ravel() * smoothed.sum() / (total[rows] * smoothed[columns])
    positive = share > 1
    matrix = csr_matrix((np.log(share[positive]), (rows[positive], columns[positive])), shape=counts.shape)
    left, values, _ = svds(matrix.astype(np.float32), k=width, random_state=0)
    vectors = left * np.sqrt(values)
    return np.asarray(vectors * (0.05 / vectors.std()), dtype=np.float32)
