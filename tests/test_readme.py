"""What the README shows is what happens."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from arnews.cli import app
from arnews.schema import schema

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_python_runs_and_prints_what_it_shows() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "README.md", "README.md", 0)
    assert len(test.examples) >= 4
    assert runner.run(test).failed == 0


def test_readme_names_every_label() -> None:
    words = set(re.findall(r"\w+", README))
    s = schema()
    assert {*s.entities, *s.events, *s.modalities, *s.roles} <= words


def test_readme_commands_exist() -> None:
    commands = set(re.findall(r"^arnews (\w+)", README, flags=re.M))
    assert commands <= {c.callback.__name__ for c in app.registered_commands}
    for module in re.findall(r"python -m (training\.\w+)", README):
        assert (ROOT / (module.replace(".", "/") + ".py")).exists()
    for config in re.findall(r"configs/[\w-]+\.yaml", README):
        assert (ROOT / config).exists()


def test_readme_has_the_two_commands_that_ci_runs() -> None:
    lines = [line for line in README.splitlines() if line.startswith("python3 -m venv ")]
    assert len(lines) == 2 and lines[0].endswith("tests/data/page.txt") and lines[1].endswith("pytest")
