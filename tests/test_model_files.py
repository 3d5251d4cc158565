from __future__ import annotations

import json
import pickle
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from arnews import ModelError, Tagger
from arnews.export import SHAPES, check_parity, export
from arnews.folder import BUNDLED, open_folder
from arnews.model import NewsModel
from tests.conftest import make_model, make_tokenizer, news


def edit_config(folder: Path, change: Callable[[dict], None]) -> None:  # type: ignore[type-arg]
    path = folder / "config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = folder / "model.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path, metadata={"format": "pt"})


def truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def flip_header(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[20] ^= 0xFF
    path.write_bytes(bytes(data))


def nan(state: dict[str, torch.Tensor]) -> None:
    state["word.weight"][0, 0] = float("nan")


def infinite(state: dict[str, torch.Tensor]) -> None:
    state["roformer.embeddings.word_embeddings.weight"][3, 3] = float("inf")


def only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


MUTATIONS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing config": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "config that is no JSON": (lambda f: truncate(f / "config.json"), "config.json is not JSON"),
    "missing weights": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
    "truncated weights": (lambda f: truncate(f / "model.safetensors"), "model.safetensors is damaged"),
    "flipped header": (lambda f: flip_header(f / "model.safetensors"), "model.safetensors is damaged"),
    "missing classifier": (lambda f: edit_weights(f, lambda s: s.pop("entity.weight")), "missing .*entity.weight"),
    "missing layer": (
        lambda f: edit_weights(f, lambda s: s.pop("roformer.encoder.layer.0.output.dense.weight")),
        "missing .*layer.0",
    ),
    "an extra weight": (lambda f: edit_weights(f, lambda s: s.update(x=torch.ones(1))), "unexpected .*x"),
    "wrong label count": (lambda f: edit_config(f, lambda c: c["arnews"]["entities"].pop()), "entity"),
    "NaN weight": (lambda f: edit_weights(f, nan), "word.weight holds NaN"),
    "infinite weight": (lambda f: edit_weights(f, infinite), "word_embeddings.weight holds NaN or inf"),
    "wrong vocabulary size": (lambda f: edit_config(f, lambda c: c.update(vocab_size=10)), "tokenizer"),
    "pickle instead": (only_pickle, "pytorch_model.bin"),
    "duplicate labels": (lambda f: edit_config(f, lambda c: c["arnews"]["roles"].append("AGENT")), "distinct labels"),
    "no arnews block": (lambda f: edit_config(f, lambda c: c.pop("arnews")), "no 'arnews' block"),
    "unknown key": (lambda f: edit_config(f, lambda c: c["arnews"].update(extra=1)), "unknown keys"),
    "broken value": (lambda f: edit_config(f, lambda c: c["arnews"].update(window="wide")), "broken"),
    "unknown encoder": (lambda f: edit_config(f, lambda c: c.update(model_type="no-such")), "does not describe"),
    "tokenizer of another model": (lambda f: make_tokenizer(f / "tokenizer.json", 250), "of another model"),
    "missing tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json is missing"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_r24_damaged_models_are_refused(trained: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(trained, folder)
    Tagger(folder)  # it is good before
    mutate, message = MUTATIONS[name]
    mutate(folder)
    with pytest.raises(ModelError, match=message):
        Tagger(folder)


@pytest.mark.parametrize("name", ["model.onnx", "links.onnx"])
@pytest.mark.parametrize("change", [truncate, flip_header, Path.unlink])
def test_r24_damaged_graphs_are_refused(
    exported: Path, tmp_path: Path, name: str, change: Callable[[Path], None]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(exported, folder)
    (folder / "model.safetensors").unlink()
    assert Tagger(folder)("نص").text == "نص"
    change(folder / name)
    with pytest.raises(ModelError, match=name if name == "links.onnx" or change is not Path.unlink else "model"):
        Tagger(folder)


@pytest.mark.parametrize("name", ["no/such/folder", "/", "file"])
def test_r24_what_is_no_model_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError):
        Tagger(tmp_path / name)


def test_r25_saved_weights_give_the_same_logits(trained: Path, tmp_path: Path) -> None:
    model = NewsModel.from_pretrained(open_folder(trained))
    model.save_pretrained(tmp_path / "again", trained / "tokenizer.json")
    again = NewsModel.from_pretrained(open_folder(tmp_path / "again"))
    ids = torch.randint(5, 200, (3, 20))
    first = torch.arange(1, 15)
    with torch.inference_mode():
        for left, right in zip(
            model(ids, torch.ones_like(ids), first, first), again(ids, torch.ones_like(ids), first, first), strict=True
        ):
            assert (left == right).all()


def test_model_saves_over_an_old_one(trained: Path, tmp_path: Path) -> None:
    model = NewsModel.from_pretrained(open_folder(trained))
    for _ in range(2):
        model.save_pretrained(tmp_path / "model", trained / "tokenizer.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]


@pytest.mark.slow
def test_r29_a_killed_save_leaves_a_whole_model(trained: Path, tmp_path: Path) -> None:
    """SIGKILL at ten random moments of a process that does nothing but save."""
    script = (
        "from arnews.folder import open_folder; from arnews.model import NewsModel\n"
        "from pathlib import Path\n"
        f"source = Path({str(trained)!r}); model = NewsModel.from_pretrained(open_folder(source))\n"
        f"while True: model.save_pretrained({str(tmp_path / 'model')!r}, source / 'tokenizer.json'); print(1, flush=True)"
    )
    expected = Tagger(trained, dtype="fp32")("وصل الوفد إلى القاهرة").to_dict()
    rng = random.Random(29)
    for _ in range(10):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert process.stdout and process.stdout.readline()
        time.sleep(rng.random() * 0.3)
        process.kill()
        process.wait()
        assert Tagger(tmp_path / "model", dtype="fp32")("وصل الوفد إلى القاهرة").to_dict() == expected


def test_model_encoder_loads_in_plain_automodel(trained: Path) -> None:
    from transformers import AutoModel

    encoder, report = AutoModel.from_pretrained(trained, output_loading_info=True)
    assert not report["missing_keys"] and not report["mismatched_keys"]
    ours = NewsModel.from_pretrained(open_folder(trained)).encoder.state_dict()
    assert all((encoder.state_dict()[name] == value).all() for name, value in ours.items())


def test_r27_graph_equals_torch(exported: Path) -> None:
    model = NewsModel.from_pretrained(open_folder(exported))
    assert len(SHAPES) == 10
    assert check_parity(model, exported, model.encoder.config.vocab_size) <= 1e-4


def test_r27_spans_equal_torch(tmp_path: Path) -> None:
    """With trained weights: those of the random model lie so close together that rounding decides."""
    export(BUNDLED, tmp_path / "fp32", precision="fp32")
    left, right = Tagger(tmp_path / "fp32"), Tagger(BUNDLED, dtype="fp32")
    for text in news(200, seed=27):
        a, b = left(text), right(text)
        assert [(e.start, e.end, e.label) for e in a.entities] == [(e.start, e.end, e.label) for e in b.entities]
        assert [(e.start, e.end, e.type) for e in a.events] == [(e.start, e.end, e.type) for e in b.events]


def test_export_refuses_a_graph_that_differs(exported: Path, tmp_path: Path) -> None:
    other = NewsModel.from_pretrained(open_folder(make_model(tmp_path / "other", seed=5)))
    with pytest.raises(ModelError, match="differ from torch"):
        check_parity(other, exported, other.encoder.config.vocab_size)


class Touch:
    """A pickle that leaves a file behind when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "case", ["pickle weights", "pickle as safetensors", "auto_map", "trust_remote_code", "pickle tokenizer"]
)
def test_r30_no_code_of_a_folder_runs(
    trained: Path, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, trap = tmp_path / "model", tmp_path / "touched"
    shutil.copytree(trained, folder)
    poison = pickle.dumps(Touch(trap))
    (folder / "custom.py").write_text(f"open({str(trap)!r}, 'w')\n")
    if case == "pickle weights":
        (folder / "model.safetensors").unlink()
        (folder / "pytorch_model.bin").write_bytes(poison)
    elif case == "pickle as safetensors":
        (folder / "model.safetensors").write_bytes(poison)
    elif case == "auto_map":
        edit_config(folder, lambda c: c.update(auto_map={"AutoModel": "custom.Model"}))
    elif case == "trust_remote_code":
        edit_config(folder, lambda c: c.update(trust_remote_code=True))
    else:
        (folder / "tokenizer.json").write_bytes(poison)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a prompt"))
    with pytest.raises(ModelError):
        Tagger(folder)
    assert not trap.exists()


def test_r30_pickles_are_not_opened_even_where_named(trained: Path, tmp_path: Path) -> None:
    """The sentence above would be empty if the trap did not work."""
    trap = tmp_path / "touched"
    pickle.loads(pickle.dumps(Touch(trap)))
    assert trap.exists()


def test_r31_the_suite_refuses_the_network() -> None:
    import socket

    with pytest.raises(AssertionError, match="network"):
        socket.create_connection(("127.0.0.1", 9))


def test_r31_tagging_on_the_command_line_asks_for_no_network(tmp_path: Path) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('network')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "sys.argv = ['arnews', 'tag', sys.argv[1]]\n"
        "from arnews.cli import app; app()\n"
    )
    path = tmp_path / "a.txt"
    path.write_text("وصل الوفد إلى القاهرة", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "القاهرة" in done.stdout


def test_bundled_model_is_whole() -> None:
    """Torch weights and graphs of the bundled model belong together."""
    tagger, torch_tagger = Tagger(), Tagger(dtype="fp32")
    text = "وصل الرئيس الفرنسي إلى القاهرة مساء الخميس، وأعلنت وزارة الصحة تسجيل 12 إصابة."
    assert [e.label for e in tagger(text).entities] == [e.label for e in torch_tagger(text).entities]
    assert np.isfinite([e.score for e in tagger(text).entities]).all()


def test_push_to_hub_makes_the_repository_and_uploads_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str, object]] = []

    class Hub:
        def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> None:
            calls.append(("create", name, private and exist_ok))

        def upload_folder(self, *, repo_id: str, folder_path: Path) -> str:
            calls.append(("upload", repo_id, folder_path))
            return f"https://hub/{repo_id}"

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    assert Tagger().push_to_hub("me/small", private=True) == "https://hub/me/small"
    assert calls == [("create", "me/small", True), ("upload", "me/small", BUNDLED)]
