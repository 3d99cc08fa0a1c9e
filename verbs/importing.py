"""The verb that imports a file of calls into the running console, and takes an import out again."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from data_sources.result import Kind, Problem
from data_sources.state.keys import KeyFolderError
from data_sources.usage.import_client import run_import, undo_import
from data_sources.usage.import_types import ImportOptions, ImportReport
from routes.own_command import own_command
from verbs.terminal import COLUMNS, address_of, fail, ingest_token_of, load_settings, moment, say, task_name, url_option


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@url_option
@click.option("--key", envvar="OPS_INGEST_TOKEN", help="Ingest key; default: this machine's own, from the data folder.")
@click.option("--map", "maps", multiple=True, metavar="FIELD=COLUMN", help="Which column a field is read from.")
@click.option("--set", "sets", multiple=True, metavar="FIELD=VALUE", help="A field's value for every row.")
@click.option("--tz", help="IANA zone of times that carry no offset.")
@click.option("--time-unit", type=click.Choice(["s", "ms", "us", "ns"]), help="Unit of times that are numbers.")
@click.option("--time-origin", metavar="ISO", help="What numbers count from, with its offset; default 1970 UTC.")
@click.option("--undo", metavar="BATCH", help="Take an earlier import out of every figure again.")
def import_(
    file: Path | None,
    url: str | None,
    key: str | None,
    maps: tuple[str, ...],
    sets: tuple[str, ...],
    tz: str | None,
    time_unit: str | None,
    time_origin: str | None,
    undo: str | None,
) -> None:
    """Import calls from a file: CSV, JSON lines, Parquet, or LiteLLM's own events. Safe to run twice."""
    settings = load_settings()
    address = address_of(settings, url)
    try:
        key = key or ingest_token_of(settings)
    except KeyFolderError as error:
        fail(str(error))
    if undo:
        removed = undo_import(address, key, undo)
        if isinstance(removed, Problem):
            fail(f"{removed.title}. {removed.detail}")
        say(f"Undone: {removed:,} attempts of {undo} were taken out.")
        return
    if file is None:
        fail("name the file to import, or --undo BATCH")
    options = ImportOptions(
        path=file,
        url=address,
        key=key,
        columns=_pairs(maps, "--map"),
        fixed=_pairs(sets, "--set"),
        tz=tz,
        time_unit=time_unit,
        time_origin=moment(time_origin, "--time-origin"),
    )
    with Progress(*COLUMNS, console=Console(stderr=True)) as progress:
        task = progress.add_task(task_name(file.name), total=1)

        def told(done: int, size: int, report: ImportReport) -> None:
            name = task_name(file.name)
            waits = "" if report.waiting is None else f" (waits: {report.waiting})"
            progress.update(task, total=max(size, 1), completed=done, description=name + waits)

        report = run_import(options, told)
    _tell_import(report)


def _pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            fail(f"{option} takes FIELD=VALUE, not {text!r}")
        pairs[name.strip()] = value
    return pairs


def _left(report: ImportReport, problem: Problem) -> str:
    """What an import that ended early leaves behind, and how to go on."""
    again = "" if problem.kind is Kind.BAD_QUERY else " Run it again to go on: what is there already counts once."
    if report.unsure:
        certain = f"{report.accepted:,} events were accepted and stay"
        return f"{certain}; of the last {report.unsure:,} it is not known whether they were.{again}"
    if report.accepted:
        return f"{report.accepted:,} events were accepted and stay.{again}"
    return f"Nothing new was accepted.{again}" if report.duplicates else "Nothing was accepted."


def _tell_import(report: ImportReport) -> None:
    """Counts, what was assumed, what was refused and why; status 1 when a row was refused, 2 when it ended early."""
    counts = f"{report.accepted:,} accepted, {report.duplicates:,} there already, {report.rejected_count:,} rejected"
    say(f"{report.rows:,} rows read: {counts}.")
    if report.mapped:
        say("Read from columns: " + ", ".join(f"{field} = {column}" for field, column in report.mapped.items()))
    if report.ignored:
        say("Columns not used: " + ", ".join(report.ignored))
    for note in report.notes:
        say(f"Note: {note}")
    for place, reason in report.rejected:
        say(f"  row {place}: {reason}", err=True)
    if report.rejected_count > len(report.rejected):
        say(f"  and {report.rejected_count - len(report.rejected):,} more", err=True)
    if report.sent_twice:
        say(f"Note: of those there already, up to {report.sent_twice:,} are of this import: an answer did not come")
    if report.accepted or report.sent_twice or report.unsure:
        say(f"To take it out again: {own_command()} import --undo {report.batch_id}")
    if report.problem is not None:
        fail(f"{report.problem.title}. {report.problem.detail} {_left(report, report.problem)}")
    if report.rejected_count:
        sys.exit(1)
