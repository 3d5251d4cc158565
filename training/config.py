"""Strict typed configs: YAML in, a frozen dataclass out, every mistake reported at once with its line and fix.

The dataclass is the specification: its field types decide how a value is read, so `1e-5` is a number, `no` stays
text where text is asked for, and a key that no field has is an error. A field's `metadata` may hold `choices`,
`low` and `high`. Knows nothing of training.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

from arnews.errors import ConfigError

Config = TypeVar("Config")
LIMIT = 1_000_000  # characters; a config is a page, and a hostile one must not fill the memory


class _Reader:
    def __init__(self, file: str) -> None:
        self.file, self.mistakes = file, list[str]()

    def fail(self, node: yaml.Node | None, reason: str) -> None:
        where = f"{self.file}:{node.start_mark.line + 1}" if node is not None else self.file
        self.mistakes.append(f"{where}: {reason}")

    def table(self, node: yaml.Node, cls: type[Any], path: str = "") -> dict[str, Any]:
        values: dict[str, Any] = {}
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, f"{path or 'the config'} must be a table of keys")
            return values
        hints = typing.get_type_hints(cls)
        fields = {f.name: f for f in dataclasses.fields(cls)}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            if key not in fields:
                near = difflib.get_close_matches(key, fields, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(fields)}"
                self.fail(key_node, f"unknown key {path}{key!r}: {hint}")
            elif key in values:
                self.fail(key_node, f"the key {path}{key!r} is there twice: keep one")
            else:
                values[key] = self.value(value_node, hints[key], f"{path}{key}")
                self.bounds(value_node, fields[key], values[key], f"{path}{key}")
        for name, field in fields.items():
            missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if name not in values and missing:
                self.fail(node, f"the key {path}{name!r} is missing")
        return values

    def value(self, node: yaml.Node, kind: Any, path: str) -> Any:
        origin, inner = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            if isinstance(node, yaml.ScalarNode) and node.value in ("", "null", "~"):
                return None
            return self.value(node, next(a for a in inner if a is not type(None)), path)
        if origin in (list, tuple):
            if not isinstance(node, yaml.SequenceNode):
                self.fail(node, f"{path} must be a list, as in [a, b]")
                return ()
            return tuple(self.value(item, inner[0], f"{path}[{i}]") for i, item in enumerate(node.value))
        if dataclasses.is_dataclass(kind):
            before = len(self.mistakes)
            values = self.table(node, typing.cast(Any, kind), path + ".")
            return typing.cast(Any, kind)(**values) if len(self.mistakes) == before else None
        if not isinstance(node, yaml.ScalarNode):
            self.fail(node, f"{path} must be one {kind.__name__}")
            return None
        text = node.value
        if kind is str:
            return text
        if kind is bool:
            if text in ("true", "false"):
                return text == "true"
            self.fail(node, f"{path} must be true or false, not {text!r}")
            return None
        try:
            return kind(text.replace("_", ""))
        except ValueError:
            self.fail(node, f"{path} must be a {'whole number' if kind is int else 'number'}, not {text!r}")
            return None

    def bounds(self, node: yaml.Node, field: dataclasses.Field[Any], value: Any, path: str) -> None:
        if value is None:
            return
        choices, low, high = (field.metadata.get(k) for k in ("choices", "low", "high"))
        if choices and value not in choices:
            self.fail(node, f"{path} must be one of {', '.join(map(str, choices))}, not {value!r}")
        if (low is not None and value < low) or (high is not None and value > high):
            self.fail(node, f"{path} is {value}: it must lie between {low} and {high}")


def load_config(path: Path, cls: type[Config], overrides: list[str] | None = None) -> Config:
    """Read a YAML file as the dataclass `cls`; `key=value` overrides come last and win.

    Raises `ConfigError` with one line for each mistake.
    """
    text = path.read_text(encoding="utf-8")
    if len(text) > LIMIT:
        raise ConfigError(f"{path}: {len(text)} characters: a config has at most {LIMIT}")
    reader = _Reader(str(path))
    try:
        for token in yaml.scan(text):
            if isinstance(token, (yaml.AliasToken, yaml.AnchorToken, yaml.TagToken)):
                raise ConfigError(f"{path}:{token.start_mark.line + 1}: anchors, aliases and tags are not read")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not YAML: {error.problem}") from error
    if root is None:
        raise ConfigError(f"{path}: the config is empty")
    if isinstance(root, yaml.MappingNode):
        _override(root, overrides or [])
    values = reader.table(root, cls)
    if reader.mistakes:
        raise ConfigError("\n".join(reader.mistakes))
    return cls(**values)


def _override(root: yaml.MappingNode, overrides: list[str]) -> None:
    for item in overrides:
        key, equals, text = item.partition("=")
        if not equals:
            raise ConfigError(f"{item!r}: an override is written key=value")
        node = yaml.compose(text or '""', Loader=yaml.SafeLoader)
        *tables, last = key.split(".")
        table = root
        for name in tables:
            table = next((v for k, v in table.value if k.value == name), table)
        table.value[:] = [(k, v) for k, v in table.value if k.value != last]
        table.value.append((yaml.ScalarNode("tag:yaml.org,2002:str", last, root.start_mark), node))
