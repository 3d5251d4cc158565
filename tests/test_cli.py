from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from arnews import Document, Tagger

PAGE = Path(__file__).parent / "data" / "page.txt"


def arnews(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "arnews", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, env={**os.environ, "PYTHONUTF8": "1"})


def test_cli_tags_a_page_as_text() -> None:
    done = arnews("tag", PAGE)
    out = done.stdout.decode()
    assert done.returncode == 0 and done.stderr == b""
    assert "القاهرة" in out and "GPE" in out and "\x1b" not in out


def test_cli_formats_agree(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    document = Tagger()(text)
    lines = tmp_path / "in.jsonl"
    lines.write_text(json.dumps({"text": text}) + "\n\n" + json.dumps({"text": ""}) + "\n", encoding="utf-8")
    (single,) = json.loads(arnews("tag", "-", "--format", "json", stdin=text.encode()).stdout)
    first, second = map(json.loads, arnews("tag", lines, "--format", "jsonl").stdout.decode().splitlines())
    assert Document.from_dict(single) == Document.from_dict(first) == document
    assert (first["source"], second["source"], second["text"]) == (f"{lines}:1", f"{lines}:3", "")
    assert arnews("tag", PAGE, "--format", "conll").stdout.decode() == document.to_conll()
    page = arnews("tag", PAGE, PAGE, "--format", "html").stdout.decode()
    assert page.startswith("<!DOCTYPE html>") and page.count("<bdi") > 10


def test_cli_writes_a_file_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.html"
    assert arnews("tag", PAGE, "--format", "html", "-o", target).returncode == 0
    assert "القاهرة" in target.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["out.html"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tag", "no-such-file.txt"], "no-such-file.txt does not exist"),
        (["tag", "."], ". is a folder"),
        (["tag", "{page}", "-o", "."], ". is a folder"),
        (["tag", "{page}", "-o", "no/such/folder/out.txt"], "cannot be written"),
        (["tag", "{page}", "--encoding", "klingon"], "unknown encoding"),
        (["tag", "{page}", "--model", "./no-such-model"], "not a model folder"),
        (["tag", "{latin}"], "is not utf-8 at byte 4"),
        (["tag", "{broken}"], "broken.jsonl:2"),
        (["data", "validate", "{page}"], "a document starts with"),
        (["info", "--model", "./no-such-model"], "not a model folder"),
    ],
)
def test_cli_bad_input_is_one_line_and_exit_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    latin, broken = tmp_path / "latin.txt", tmp_path / "broken.jsonl"
    latin.write_bytes(b"abc " + "مصر".encode("cp1256"))
    broken.write_text('{"text": "a"}\n{"txt": "b"}\n', encoding="utf-8")
    done = arnews(*(a.format(page=PAGE, latin=latin, broken=broken) for a in arguments))
    assert done.returncode == 2
    assert message in done.stderr.decode() and done.stderr.count(b"\n") == 1


def test_cli_half_a_job_leaves_no_output(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    assert arnews("tag", PAGE, "no-such-file.txt", "--format", "jsonl", "-o", target).returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_cli_reads_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("وصل الوفد إلى القاهرة".encode("cp1256"))
    done = arnews("tag", path, "--encoding", "windows-1256", "--format", "conll")
    assert "القاهرة\tB-GPE" in done.stdout.decode()


def test_cli_labels_prints_the_schema() -> None:
    out = arnews("labels").stdout.decode()
    assert all(name in out for name in ("PERS", "STATEMENT", "planned", "AGENT", "اسم شخص"))


def test_cli_info_shows_the_card() -> None:
    out = arnews("info").stdout.decode()
    assert all(word in out for word in ("CC BY-SA 4.0", "sha256", "entities", "triggers"))


def test_cli_without_arguments_helps() -> None:
    assert b"tag" in arnews().stdout + arnews().stderr
    assert arnews("--version").stdout.decode().strip()
    assert arnews("tag").returncode == 2
    assert arnews("tag", PAGE, "--format", "xml").returncode == 2
