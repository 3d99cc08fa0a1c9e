"""Verbs about the usage store: prove it, copy it, put a copy back, forget a person, price calls anew."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.table import Table

from data_sources.result import Problem
from data_sources.state.folder_lock import FolderInUseError, lock_folder
from data_sources.state.keys import KeyFolderError, ensure_folder
from data_sources.usage.backup import BadCopyError
from data_sources.usage.backup import restore as restore_backup
from data_sources.usage.backup_client import fetch_backup
from data_sources.usage.forget_client import ask_to_forget
from data_sources.usage.reprice_client import RepriceReport, run_reprice
from data_sources.usage.verify_client import run_verify
from routes.sources import USAGE_FILE
from verbs.terminal import (
    COLUMNS,
    address_of,
    cell,
    cli_key,
    fail,
    load_settings,
    moment,
    say,
    show_whole,
    task_name,
    url_option,
)


@click.command()
@url_option
def verify(url: str | None) -> None:
    """Count every usage figure of the running console anew, and name the first that differs (status 1)."""
    settings = load_settings()
    with Progress(*COLUMNS, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Counting", total=None)
        report = run_verify(
            address_of(settings, url),
            cli_key(settings),
            lambda done, total: progress.update(task, total=max(total, done), completed=done),
        )
    if report.problem is not None:
        fail(f"{report.problem.title}. {report.problem.detail}")
    say(f"{report.attempts:,} attempts in {report.slots:,} quarter-hours counted anew.")
    for finding in report.damage:
        say(f"Note: an earlier start found damage: {finding}. Send the events of that time again.")
    for note in report.notes:
        say(f"Note: {note}")
    if report.first is not None:
        say(f"{report.differences:,} figures differ. The first: {report.first}.", err=True)
        sys.exit(1)
    say("Every figure adds up.")


@click.command()
@click.option("--user", required=True, help="The person's id, as senders name it.")
@click.option("--apply", is_flag=True, help="Do it; without it, only what would be done is told.")
@click.option("--keep-figures", is_flag=True, help="Keep their calls and cost, attributed to nobody.")
@url_option
def forget(user: str, apply: bool, keep_figures: bool, url: str | None) -> None:
    """Take what is known of one person out of the usage store, and their calls out of every figure."""
    settings = load_settings()
    told = ask_to_forget(
        address_of(settings, url), cli_key(settings), user=user, apply=apply, keep_figures=keep_figures
    )
    if isinstance(told, Problem):
        fail(f"{told.title}. {told.detail}")
    what = "calls are attributed to nobody" if keep_figures else "calls leave every figure"
    done = f"Done: their {what}." if apply else f"Nothing was changed. With --apply their {what}."
    say(f"{told} {done}")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@url_option
def backup(file: Path, url: str | None) -> None:
    """Copy the running console's usage store into a file; nothing stops meanwhile."""
    settings = load_settings()
    with Progress(*COLUMNS, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(task_name(file.name), total=None)
        copied = fetch_backup(
            address_of(settings, url),
            cli_key(settings),
            file,
            lambda done, total: progress.update(task, total=total, completed=done),
            lambda note: say(f"Note: {note}", err=True),
        )
    if isinstance(copied, Problem):
        fail(f"{copied.title}. {copied.detail}")
    say(f"{copied:,} attempts are in {file}.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(file: Path) -> None:
    """Put a backup in the place of the usage store, after counting it anew. The console must not run."""
    settings = load_settings()
    try:
        ensure_folder(settings.data_dir)
        with ExitStack() as stack:
            stack.callback(os.close, lock_folder(settings.data_dir, wait_s=0))
            progress = stack.enter_context(Progress(*COLUMNS, console=Console(stderr=True), transient=True))
            task = progress.add_task("Counting", total=None)
            attempts, kept = restore_backup(
                file,
                settings.data_dir / USAGE_FILE,
                now=datetime.now(UTC),
                on_progress=lambda done, total: progress.update(task, total=max(total, done), completed=done),
            )
    except (KeyFolderError, FolderInUseError) as error:
        fail(str(error))
    except BadCopyError as error:
        fail(f"{file} was not restored. {error}")
    except OSError as error:
        fail(f"{file} was not restored: {error.strerror}")
    before = "" if kept is None else f" The store before is kept as {kept}."
    say(f"{attempts:,} attempts restored, every figure adds up.{before}")


@click.command()
@click.option("--from", "start", required=True, metavar="ISO", help="First day or time; UTC unless it has an offset.")
@click.option("--to", "end", metavar="ISO", help="First day or time after; default now.")
@click.option("--provider", help="Only this provider's calls, as senders name it.")
@click.option("--model", help="Only this model's calls.")
@click.option("--apply", is_flag=True, help="Do it; without it, only what would change is told.")
@click.option("--override", is_flag=True, help="Let prices replace what senders reported.")
@url_option
def reprice(
    start: str,
    end: str | None,
    provider: str | None,
    model: str | None,
    apply: bool,
    override: bool,
    url: str | None,
) -> None:
    """Price stored calls anew, with the prices that the running console has now. Safe to stop and to run again."""
    settings = load_settings()
    first, last = moment(start, "--from"), moment(end, "--to") or datetime.now(UTC)
    if first is None or first >= last:
        fail("--from lies before --to")
    done = RepriceReport()
    try:
        with Progress(TextColumn("{task.description}"), console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("Looking at the calls")
            run_reprice(
                address_of(settings, url),
                cli_key(settings),
                start=first,
                end=last,
                provider=provider,
                model=model,
                override=override,
                apply=apply,
                told=lambda so_far: progress.update(task, description=f"{so_far.attempts:,} attempts looked at"),
                report=done,
            )
    except KeyboardInterrupt:
        so_far = f"{done.changed:,} attempts were priced anew by then, and a slice that was under way may be, too."
        fail(f"It was stopped. {so_far} Run it again to go on." if apply else "It was stopped. Nothing was changed.")
    _tell_reprice(done, apply=apply)


def _tell_reprice(report: RepriceReport, *, apply: bool) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("Provider", "Model", "Attempts", "Change", "Priced before", "after", "USD before", "after"):
        table.add_column(heading, justify="left" if heading in ("Provider", "Model") else "right")
    for line in sorted(report.lines.values(), key=lambda line: (-line.changed, line.provider or "", line.model or "")):
        counts = (line.attempts, line.changed, line.priced_before, line.priced_after)
        costs = ((line.priced_before, line.cost_before), (line.priced_after, line.cost_after))
        table.add_row(
            cell(line.provider or "not set"),
            cell(line.model or "not set"),
            *(f"{count:,}" for count in counts),
            *(f"{cost.normalize():f}" if priced else "not known" for priced, cost in costs),
        )
    if report.lines:
        show_whole(table)
    if report.problem is not None:
        so_far = f"{report.changed:,} attempts were priced anew before. Run it again to go on." if apply else ""
        fail(f"{report.problem.title}. {report.problem.detail} {so_far}".strip())
    if report.note is not None:
        say(f"Note: {report.note}")
    if report.kept_from is not None:
        say(f"Note: single calls are kept since {report.kept_from}; what is older keeps the cost it has.")
    done = "were priced anew" if apply else "would change; with --apply they do"
    versions = ", ".join(report.price_versions)
    say(f"{report.changed:,} of {report.attempts:,} attempts {done}. Prices: {versions}.")
