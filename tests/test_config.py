from __future__ import annotations

import time
from pathlib import Path

import pytest

from arnews import ConfigError
from training.choices import ChoicesConfig
from training.compare import CompareConfig
from training.config import load_config
from training.evaluate import JudgeConfig
from training.export import ExportConfig
from training.finetune import FinetuneConfig
from training.pretrain import PretrainConfig

CONFIGS = Path(__file__).parent.parent / "configs"
GOOD = "texts: [a.txt]\noutput: runs/a\nlearning_rate: 1e-5\n"


def load(tmp_path: Path, text: str, overrides: list[str] | None = None) -> PretrainConfig:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, PretrainConfig, overrides)


def test_config_reads_numbers_and_words_as_meant(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD + "init_from: no\nbf16: false\nsteps: 1_000\n")
    assert (config.learning_rate, config.init_from, config.bf16, config.steps) == (1e-5, "no", False, 1000)
    assert config.texts == ("a.txt",)


def test_config_overrides_win(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD, ["learning_rate=2e-4", "texts=[b.txt, c.txt]", "steps=7"])
    assert (config.learning_rate, config.texts, config.steps) == (2e-4, ("b.txt", "c.txt"), 7)


def test_config_reports_all_mistakes_at_once_with_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, "output: a\nlearnig_rate: 1\nsteps: many\nsteps: 3\nbf16: yes\ndropout: 2\nvocab_size: 5\n")
    lines = str(error.value).splitlines()
    assert [line.split(":")[1] for line in lines] == ["2", "3", "4", "5", "6", "7", "1"]
    assert "did you mean 'learning_rate'?" in lines[0]
    assert "'texts' is missing" in lines[-1]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x]\nb: &b [*a,*a]\n", "output: !!python/object/apply:os.system [ls]\n", "output: a\n\tb: c\n", "", "- a\n",
        "x" * 10_000_000, "texts: {a: b}\noutput: c\n", "output: [a\n",
    ],
)  # fmt: skip
def test_r33_yaml_is_data(tmp_path: Path, text: str) -> None:
    started = time.process_time()
    with pytest.raises(ConfigError):
        load(tmp_path, text)
    print(f"{time.process_time() - started:.3f} s")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.name)
def test_every_config_loads(path: Path) -> None:
    kinds = {
        "pretrain": PretrainConfig, "export": ExportConfig, "evaluate": JudgeConfig, "choices": ChoicesConfig,
        "compare": CompareConfig,
    }  # fmt: skip
    kind = next((cls for name, cls in kinds.items() if path.name.startswith(name)), FinetuneConfig)
    assert load_config(path, kind).output
