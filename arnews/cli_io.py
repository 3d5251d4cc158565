"""What the commands share: reading input, writing output whole or not at all, errors as one line.

Takes file names; gives texts and open outputs. Knows nothing of tagging.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import typer

from arnews.errors import ArnewsError, FormatError

if TYPE_CHECKING:
    from arnews.document import Document


class Format(str, Enum):
    """Output formats of `arnews tag`."""

    text = "text"
    json = "json"
    jsonl = "jsonl"
    conll = "conll"
    html = "html"


class InputError(ArnewsError):
    """An input file cannot be read; the message is the whole story."""


def fail(message: object) -> NoReturn:
    """One line on stderr, exit 2."""
    typer.echo("arnews: " + " ".join(str(message).split("\n")), err=True)
    raise typer.Exit(2)


@contextmanager
def errors_as_lines() -> Iterator[None]:
    """Expected errors end the command with one line and no traceback."""
    try:
        yield
    except BrokenPipeError:  # the reader of our output has gone, as in `| head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        raise typer.Exit(0) from None
    except (ArnewsError, OSError, ValueError) as error:
        fail(error)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def read_text(name: str, encoding: str) -> str:
    """A file's text, or standard input's for `-`, exactly as stored."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except IsADirectoryError:
        raise InputError(f"{name} is a folder: give its files, as in {name}/*.txt") from None
    except FileNotFoundError:
        raise InputError(f"{name} does not exist") from None
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from None
    try:
        return data.decode(encoding)
    except LookupError:
        raise InputError(f"unknown encoding {encoding!r}: try utf-8, windows-1256 or iso-8859-6") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not {encoding} at byte {error.start}: say its encoding, as in --encoding windows-1256"
        ) from None


def inputs(files: list[str], encoding: str) -> Iterator[tuple[str, str]]:
    """Name and text of each input: a file is one text; a line of a .jsonl file is one, in its "text" field."""
    for name in files:
        if not name.endswith(".jsonl"):
            yield name, read_text(name, encoding)
            continue
        try:
            with open(name, encoding=encoding) as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield f"{name}:{number}", _json_text(line, name, number)
        except UnicodeDecodeError as error:
            raise InputError(f"{name} is not {encoding} near byte {error.start}: say its --encoding") from None
        except OSError as error:
            raise InputError(f"{name} cannot be read: {error.strerror}") from None


def _json_text(line: str, name: str, number: int) -> str:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise FormatError(f"not JSON: {error.msg}", file=name, line=number, column=error.colno) from None
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        raise FormatError('a line must be an object with a "text" string', file=name, line=number)
    text: str = value["text"]
    return text


@contextmanager
def sink(output: Path | None) -> Iterator[IO[str]]:
    """Standard output, or a file that appears only when it is complete."""
    if output is None:
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
        yield sys.stdout
        sys.stdout.flush()
        return
    if output.is_dir():
        raise InputError(f"{output} is a folder: name a file in it")
    try:
        handle, temporary = tempfile.mkstemp(prefix=output.name + ".tmp-", dir=output.parent)
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror}") from None
    try:
        with open(handle, "w", encoding="utf-8", errors="replace", newline="\n") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, output)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def progress(items: Iterable[Any], total: int | None) -> Iterable[Any]:
    """A progress bar on stderr where that is a terminal and there is more than one thing to do."""
    if not sys.stderr.isatty() or total == 1:
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, total=total, description="tagging", console=Console(stderr=True), transient=True)


def write(out: IO[str], format: Format, results: Iterator[tuple[str, Document]], color: bool) -> None:
    """Write results one by one, as they come, in the format asked for."""
    from arnews.render import html_page, terminal

    if format is Format.html:
        out.write(html_page(results))
    elif format is Format.json:
        for i, (name, document) in enumerate(results):
            out.write("[\n" if i == 0 else ",\n")
            out.write(json.dumps({"source": name, **document.to_dict()}, ensure_ascii=False, indent=1))
        out.write("\n]\n")
    else:
        for name, document in results:
            if format is Format.jsonl:
                out.write(json.dumps({"source": name, **document.to_dict()}, ensure_ascii=False) + "\n")
            elif format is Format.conll:
                out.write(document.to_conll())
            else:
                out.write(terminal(document, color=color) + "\n")
