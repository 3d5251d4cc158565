"""The exceptions of arnews.

    ArnewsError
    ├── ModelError      a model folder is missing, damaged, or not what its config says
    ├── FormatError     a file is not in the form it should have; knows file, line and column
    ├── ConfigError     a training config is wrong; lists every mistake at once
    └── ExtraMissing    an optional package is not installed; says which `pip install` brings it

Takes nothing, gives the classes, knows nothing of the rest of the package.
"""

from __future__ import annotations


class ArnewsError(Exception):
    """Base of every error that arnews raises on purpose."""


class ModelError(ArnewsError):
    """A model cannot be used: names the file and the fix."""


class FormatError(ArnewsError):
    """A file breaks its format: `file:line:column: reason`."""

    def __init__(self, reason: str, *, file: str = "<text>", line: int = 0, column: int = 0) -> None:
        self.reason, self.file, self.line, self.column = reason, file, line, column
        place = file + (f":{line}" if line else "") + (f":{column}" if column else "")
        super().__init__(f"{place}: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        return _format_error, (self.reason, self.file, self.line, self.column)


def _format_error(reason: str, file: str, line: int, column: int) -> FormatError:
    return FormatError(reason, file=file, line=line, column=column)


class ConfigError(ArnewsError):
    """A config file has mistakes; the message has one line for each."""


class ExtraMissing(ArnewsError, ImportError):
    """A package of an optional extra is needed and not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs packages that are not installed: pip install 'arnews[{extra}]'")
