"""The command `arnews`: tag files, print the labels, tell about the model, check and show data.

Takes arguments and files; gives text on the terminal or in a file. Exit codes: 0 done, 2 bad input or usage (one line
on stderr, nothing half-written), 130 interrupted. Knows nothing of how tagging is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from arnews import __version__
from arnews.cli_io import Format, InputError, errors_as_lines, inputs, progress, sink, write

app = typer.Typer(
    help="Read Arabic news: entities, events and exact offsets.",
    no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
)  # fmt: skip
data_app = typer.Typer(help="Check and show documents in the corpus markup.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@app.command()
def tag(
    files: Annotated[list[str], typer.Argument(help="Text or .jsonl files; - is standard input.")],
    format: Annotated[Format, typer.Option(help="What to write.")] = Format.text,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; else the terminal.")] = None,
    model: Annotated[str | None, typer.Option(help="A model folder or hub id; else the bundled model.")] = None,
    device: Annotated[str, typer.Option(help="cpu, or with the torch extra cuda.")] = "cpu",
    dtype: Annotated[str | None, typer.Option(help="fp32, bf16 or fp16: run in torch.")] = None,
    encoding: Annotated[str, typer.Option(help="Encoding of the files.")] = "utf-8",
    workers: Annotated[int, typer.Option(help="Processes that share the work.", min=1)] = 1,
) -> None:
    """Tag files: entities, and events with their arguments."""
    from arnews.tagger import Tagger

    with errors_as_lines():
        tagger = Tagger(model, device=device, dtype=dtype)
        names: list[str] = []

        def texts() -> Iterator[str]:
            for name, text in inputs(files, encoding):
                names.append(name)
                yield text

        count = len(files) if not any(f.endswith(".jsonl") for f in files) else None
        documents = progress(tagger.pipe(texts(), workers=workers), count)
        with sink(output) as out:
            write(out, format, ((names.pop(0), d) for d in documents), output is None and out.isatty())


@app.command()
def labels() -> None:
    """Print the tag set: entity labels, event types, modalities and argument roles."""
    from arnews.schema import schema

    with errors_as_lines(), sink(None) as out:
        for title in ("entities", "events", "modalities", "roles"):
            out.write(f"{title}\n")
            for label in getattr(schema(), title).values():
                out.write(f"  {label.name:<15} {label.en}\n{'':<18}{label.ar} ({'، '.join(label.examples)})\n")


@app.command()
def info(
    model: Annotated[str | None, typer.Option(help="A model folder or hub id; else the bundled model.")] = None,
) -> None:
    """Tell about a model: its labels, how it was trained, its scores and licences."""
    from arnews.folder import open_folder, resolve

    with errors_as_lines(), sink(None) as out:
        folder = open_folder(resolve(model))
        config = folder.config
        out.write(f"arnews {__version__}\nmodel  {folder.path}\n")
        out.write(f"labels {len(config.entities)} entities, {len(config.events)} events, ")
        out.write(f"{len(config.modalities)} modalities, {len(config.roles)} roles\n\n")
        card = folder.path / "README.md"
        out.write(card.read_text(encoding="utf-8") if card.exists() else "This model has no card (README.md).\n")


@app.command()
def evaluate(
    data: Annotated[str, typer.Option(help="`arnews`: the shipped corpus; or a file or folder.")] = "arnews",
    format: Annotated[str, typer.Option(help="Of the file: markup, anercorp, aqmar, wikifane, wojood.")] = "markup",
    split: Annotated[str, typer.Option(help="Of the shipped corpus: train, dev or test.")] = "test",
    model: Annotated[str | None, typer.Option(help="A model folder or hub id; else the bundled model.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A folder for tables, plots, CoNLL.")] = None,
    device: Annotated[str, typer.Option(help="cpu, or with the torch extra cuda.")] = "cpu",
    dtype: Annotated[str | None, typer.Option(help="fp32, bf16 or fp16: run in torch.")] = None,
) -> None:
    """Score a model on labelled documents: strict F1 with intervals, by label, topic, genre, length, new surfaces."""
    from arnews.breakdown import surfaces
    from arnews.conll import read_conll
    from arnews.datasets import corpus, read_marked
    from arnews.report import write_report
    from arnews.tagger import Tagger

    with errors_as_lines(), sink(None) as out:
        if data == "arnews":
            labelled = corpus(split)
        elif not Path(data).exists():
            raise InputError(f"{data} does not exist: give a file, a folder, or arnews")
        else:
            labelled = read_marked(Path(data)) if format == "markup" else read_conll(Path(data), format)
        tagger = Tagger(model, device=device, dtype=dtype)
        out.write(write_report(tagger, labelled, output, surfaces(corpus("train"))))


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="A folder written by training.finetune or save_pretrained.")],
    target: Annotated[Path, typer.Argument(help="The folder to write.")],
    precision: Annotated[str, typer.Option(help="int8, refused where F1 falls by 0.5 point, or fp32.")] = "int8",
) -> None:
    """Export a model to ONNX, refused where its answers differ from torch or its dev F1 falls."""
    from arnews.datasets import corpus
    from arnews.errors import ExtraMissing

    with errors_as_lines():
        try:
            from arnews.export import export as write_export
        except ImportError as error:
            raise ExtraMissing("export", "export") from error
        figures = write_export(model, target, corpus("dev"), precision=precision)
        for key, value in figures.items():
            typer.echo(f"{key} {value:.2g}")


@data_app.command()
def validate(files: Annotated[list[Path], typer.Argument(help="Files or folders in the corpus markup.")]) -> None:
    """Check files in the corpus markup against the guidelines; exit 2 where anything is found."""
    from arnews.validate import check_file

    with errors_as_lines():
        paths = [p for f in files for p in ([f] if f.is_file() else sorted(f.rglob("*.txt")))]
        if not paths:
            raise InputError(f"no .txt files in {', '.join(map(str, files))}")
        found = [line for path in paths for line in check_file(path)]
        for line in found:
            typer.echo(line)
        typer.echo(f"{len(paths)} files, {len(found)} findings")
        if found:
            raise typer.Exit(2)


@data_app.command()
def stats(
    files: Annotated[list[Path] | None, typer.Argument(help="Files or folders in the corpus markup.")] = None,
    compare: Annotated[Path | None, typer.Option(help="Raw text to measure beside, .xz or not.")] = None,
) -> None:
    """Print counts and variety of the shipped corpus by split, or of given files, as Markdown tables."""
    from arnews.datasets import SPLITS, corpus, read_marked
    from arnews.stats import tables
    from arnews.variety import read_raw, variety_tables

    with errors_as_lines(), sink(None) as out:
        splits = {str(f): read_marked(f) for f in files} if files else {s: corpus(s) for s in SPLITS}
        out.write(tables(splits))
        out.write("\n" + variety_tables(splits, read_raw(compare) if compare else ()))


@data_app.command()
def consistency(
    files: Annotated[list[Path] | None, typer.Argument(help="Files or folders; else the shipped corpus.")] = None,
    places: Annotated[bool, typer.Option(help="Print each place that is not marked as four of five are.")] = False,
) -> None:
    """Print every surface that has several labels, or a label in one place and none in another."""
    from arnews.consistency import lines, odd_places, report
    from arnews.datasets import CORPUS, read_marked

    with errors_as_lines(), sink(None) as out:
        documents = [d for path in files or [CORPUS] for d in read_marked(path)]
        if places:
            out.writelines(f"{line}\n" for line in odd_places(documents))
            return
        entities, triggers = report(documents)
        out.write("\n".join(["entities", *lines(entities), "", "triggers", *lines(triggers), ""]))


@data_app.command()
def agree(
    first: Annotated[Path, typer.Argument(help="A file or folder in the corpus markup.")],
    second: Annotated[Path, typer.Argument(help="The same documents, annotated by somebody else.")],
    differences: Annotated[bool, typer.Option(help="Also print every mark that only one has.")] = False,
) -> None:
    """Print how far two annotations of the same documents agree."""
    from arnews.agreement import agreement, pairs
    from arnews.agreement import differences as all_differences
    from arnews.datasets import read_marked

    with errors_as_lines(), sink(None) as out:
        documents = pairs(read_marked(first), read_marked(second))
        out.writelines(f"{key:<14} {value}\n" for key, value in agreement(documents).items())
        if differences:
            out.writelines(f"{line}\n" for line in all_differences(documents))


@data_app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A file in the corpus markup.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
) -> None:
    """Draw the gold documents of a file as one HTML page."""
    from arnews.datasets import read_marked
    from arnews.render import html_page

    with errors_as_lines(), sink(output) as out:
        out.write(html_page((item.id, item.document) for item in read_marked(file)))


@app.callback(invoke_without_command=True)
def main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Read Arabic news: entities, events and exact offsets."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
