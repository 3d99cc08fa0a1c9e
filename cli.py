"""The `ops-center` command. Each verb calls one function; what talks to a running server is an HTTP client of it."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click
import requests
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app import check_address, create_app
from data_sources.http import Answer, call_json, session
from data_sources.result import Problem
from data_sources.state.folder_lock import FolderInUseError, lock_folder
from data_sources.state.keys import KeyFolderError, ensure_folder, ensure_key
from data_sources.state.links import make_cli_key, make_link_token
from data_sources.usage.backup import BadCopyError
from data_sources.usage.backup import restore as restore_backup
from data_sources.usage.backup_client import fetch_backup
from data_sources.usage.forget_client import ask_to_forget
from data_sources.usage.import_client import ImportOptions, ImportReport, run_import, undo_import
from data_sources.usage.reprice_client import RepriceReport, run_reprice
from data_sources.usage.verify_client import run_verify
from routes.sources import USAGE_FILE, read_prices
from settings import Settings, SettingsError, load

THREADS = 64  # senders wait in theirs until their events are durable, and are committed together
out = Console(highlight=False)
COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    TextColumn("{task.percentage:>3.0f}%"),
    TimeRemainingColumn(),
)


def fail(sentence: str) -> NoReturn:
    """End with one clear line and status 2."""
    click.echo(f"ops-center: {sentence}", err=True)
    sys.exit(2)


def _load(**given: Any) -> Settings:
    try:
        return load(**given)
    except SettingsError as error:
        fail(str(error))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ops-center", prog_name="ops-center")
def main() -> None:
    """Ops Center: usage, cost, plans and machines of an LLM service, in figures you can trust."""
    # A command says what went wrong in its own line; only the server keeps a log.
    logging.getLogger().addHandler(logging.NullHandler())


@main.command()
@click.option("--host", help="Address to listen on (OPS_HOST).")
@click.option("--port", type=int, help="Port to listen on (OPS_PORT).")
def serve(host: str | None, port: int | None) -> None:
    """Serve the console until Ctrl-C or SIGTERM; accepted events are committed before it ends."""
    settings = _load(host=host, port=port)
    try:
        check_address(settings)
        read_prices(settings)
        ensure_folder(settings.data_dir)
        secret_key = _secret_key(settings)
        lock_folder(settings.data_dir)  # held until the last process of this server ends
    except (SettingsError, KeyFolderError, FolderInUseError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"OPS_DATA_DIR: {settings.data_dir} cannot be locked: {error.strerror}")
    _check_port(settings)
    # force: the silence that every other command keeps (`main`) must not silence the server.
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from routes.serving import run

    run(lambda: create_app(settings), settings, threads=THREADS, ready=lambda: _greet(settings, secret_key))


def _greet(settings: Settings, secret_key: str) -> None:
    link = f"{settings.base_url}/login?token={make_link_token(secret_key, 'admin')}"
    click.echo(f"Ops Center is at {settings.base_url}\nSign in (once, within a day):  {link}\nStop with Ctrl-C.")
    sys.stdout.flush()


def _secret_key(settings: Settings) -> str:
    given = settings.secret_key
    return given.get_secret_value() if given else ensure_key(settings.data_dir, "secret_key")


def _cli_key(settings: Settings) -> Callable[[], str]:
    """Makes this machine's own key: short-lived, so a long command makes one for each question."""
    try:
        secret_key = _secret_key(settings)
    except KeyFolderError as error:
        fail(str(error))
    return lambda: make_cli_key(secret_key)


def _address(settings: Settings, url: str | None) -> str:
    return (url or f"http://{settings.host}:{settings.port}").rstrip("/")


def _check_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            why = "is in use" if error.errno == 98 else f"cannot be used: {os.strerror(error.errno or 0)}"
            fail(f"OPS_PORT: port {settings.port} on {settings.host} {why}. Choose another with --port")


@main.command()
@click.option("--role", type=click.Choice(["admin", "analyst", "member"]), default="admin", show_default=True)
@click.option("--org", help="Organization id; needed for members.")
@click.option("--email", help="Shown in the console and given to billing.")
def link(role: str, org: str | None, email: str | None) -> None:
    """Print a one-time sign-in link, valid for a day."""
    if role == "member" and not org:
        fail("--org is needed for a member: whose usage and subscription should they see?")
    settings = _load()
    try:
        token = make_link_token(_secret_key(settings), role, organization_id=org, email=email)  # type: ignore[arg-type]
    except KeyFolderError as error:
        fail(str(error))
    click.echo(f"{settings.base_url}/login?token={token}")


@main.command()
@click.option("--url", help="Address of the running console; default from the settings.")
def doctor(url: str | None) -> None:
    """Ask the running console which sources are configured and answer."""
    settings = _load()
    key = _cli_key(settings)()
    address = _address(settings, url)
    made: requests.Session = session(retries=0)
    answer = call_json(
        made,
        "GET",
        f"{address}/api/v1/sources",
        source=f"The console at {address}",
        what="The sources could not be asked",
        headers={"Authorization": f"Bearer {key}"},
        timeout_s=(3, 60),
    )
    if not isinstance(answer, Answer):
        fail(f"{answer.title}. {answer.detail} Is it running there (OPS_PORT or --url), and with the same data folder?")
    table = Table(box=None, pad_edge=False)
    for heading in ("Source", "State", "", "What it says"):
        table.add_column(heading)
    marks = {"ok": "[green]ok[/]", "warn": "[yellow]attention[/]", "danger": "[red]failed[/]", "none": "not set"}
    for state in answer.body["sources"]:
        table.add_row(state["name"], marks.get(state["dot"], state["dot"]), state["word"], state["detail"])
    out.print(table)
    if any(state["dot"] == "danger" for state in answer.body["sources"]):
        sys.exit(1)


@main.command()
@click.option("--url", help="Address of the running console; default from the settings.")
def verify(url: str | None) -> None:
    """Count every usage figure of the running console anew, and name the first that differs (status 1)."""
    settings = _load()
    with Progress(*COLUMNS, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Counting", total=None)
        report = run_verify(
            _address(settings, url),
            _cli_key(settings),
            lambda done, total: progress.update(task, total=max(total, done), completed=done),
        )
    if report.problem is not None:
        fail(f"{report.problem.title}. {report.problem.detail}")
    click.echo(f"{report.attempts:,} attempts in {report.slots:,} quarter-hours counted anew.")
    for finding in report.damage:
        click.echo(f"Note: an earlier start found damage: {finding}. Send the events of that time again.")
    for note in report.notes:
        click.echo(f"Note: {note}")
    if report.first is not None:
        click.echo(f"{report.differences:,} figures differ. The first: {report.first}.", err=True)
        sys.exit(1)
    click.echo("Every figure adds up.")


@main.command()
@click.option("--user", required=True, help="The person's id, as senders name it.")
@click.option("--apply", is_flag=True, help="Do it; without it, only what would be done is told.")
@click.option("--keep-figures", is_flag=True, help="Keep their calls and cost, attributed to nobody.")
@click.option("--url", help="Address of the running console; default from the settings.")
def forget(user: str, apply: bool, keep_figures: bool, url: str | None) -> None:
    """Take what is known of one person out of the usage store, and their calls out of every figure."""
    settings = _load()
    told = ask_to_forget(_address(settings, url), _cli_key(settings), user=user, apply=apply, keep_figures=keep_figures)
    if isinstance(told, Problem):
        fail(f"{told.title}. {told.detail}")
    what = "calls are attributed to nobody" if keep_figures else "calls leave every figure"
    done = f"Done: their {what}." if apply else f"Nothing was changed. With --apply their {what}."
    click.echo(f"{told} {done}")


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--url", help="Address of the running console; default from the settings.")
def backup(file: Path, url: str | None) -> None:
    """Copy the running console's usage store into a file; nothing stops meanwhile."""
    settings = _load()
    with Progress(*COLUMNS, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(file.name, total=None)
        copied = fetch_backup(
            _address(settings, url),
            _cli_key(settings),
            file,
            lambda done, total: progress.update(task, total=total, completed=done),
        )
    if isinstance(copied, Problem):
        fail(f"{copied.title}. {copied.detail}")
    click.echo(f"{copied:,} attempts are in {file}.")


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(file: Path) -> None:
    """Put a backup in the place of the usage store, after counting it anew. The console must not run."""
    settings = _load()
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
    click.echo(f"{attempts:,} attempts restored, every figure adds up.{before}")


@main.command()
@click.option("--from", "start", required=True, metavar="ISO", help="First day or time; UTC unless it has an offset.")
@click.option("--to", "end", metavar="ISO", help="First day or time after; default now.")
@click.option("--provider", help="Only this provider's calls, as senders name it.")
@click.option("--model", help="Only this model's calls.")
@click.option("--apply", is_flag=True, help="Do it; without it, only what would change is told.")
@click.option("--override", is_flag=True, help="Let prices replace what senders reported.")
@click.option("--url", help="Address of the running console; default from the settings.")
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
    settings = _load()
    first, last = _moment(start, "--from"), _moment(end, "--to") or datetime.now(UTC)
    if first is None or first >= last:
        fail("--from lies before --to")
    with Progress(TextColumn("{task.description}"), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Looking at the calls")
        report = run_reprice(
            _address(settings, url),
            _cli_key(settings),
            start=first,
            end=last,
            provider=provider,
            model=model,
            override=override,
            apply=apply,
            told=lambda so_far: progress.update(task, description=f"{so_far.attempts:,} attempts looked at"),
        )
    _tell_reprice(report, apply=apply)


def _tell_reprice(report: RepriceReport, *, apply: bool) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("Provider", "Model", "Attempts", "Change", "Priced before", "after", "USD before", "after"):
        table.add_column(heading, justify="left" if heading in ("Provider", "Model") else "right")
    for line in sorted(report.lines.values(), key=lambda line: (-line.changed, line.provider or "", line.model or "")):
        counts = (line.attempts, line.changed, line.priced_before, line.priced_after)
        costs = ((line.priced_before, line.cost_before), (line.priced_after, line.cost_after))
        table.add_row(
            line.provider or "not set",
            line.model or "not set",
            *(f"{count:,}" for count in counts),
            *(f"{cost.normalize():f}" if priced else "not known" for priced, cost in costs),
        )
    if report.lines:
        out.print(table)
    if report.problem is not None:
        so_far = f"{report.changed:,} attempts were priced anew before. Run it again to go on." if apply else ""
        fail(f"{report.problem.title}. {report.problem.detail} {so_far}".strip())
    if report.kept_from is not None:
        click.echo(f"Note: single calls are kept since {report.kept_from}; what is older keeps the cost it has.")
    done = "were priced anew" if apply else "would change; with --apply they do"
    versions = ", ".join(report.price_versions)
    click.echo(f"{report.changed:,} of {report.attempts:,} attempts {done}. Prices: {versions}.")


@main.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--url", help="Address of the running console; default from the settings.")
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
    settings = _load()
    address = _address(settings, url)
    try:
        key = key or ensure_key(settings.data_dir, "ingest_token", prefix="ops_in_")
    except KeyFolderError as error:
        fail(str(error))
    if undo:
        removed = undo_import(address, key, undo)
        if isinstance(removed, Problem):
            fail(f"{removed.title}. {removed.detail}")
        click.echo(f"Undone: {removed:,} attempts of {undo} were taken out.")
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
        time_origin=_moment(time_origin, "--time-origin"),
    )
    with Progress(*COLUMNS, console=Console(stderr=True)) as progress:
        task = progress.add_task(file.name, total=1)

        def told(done: int, size: int, report: ImportReport) -> None:
            progress.update(task, total=max(size, 1), completed=done)

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


def _moment(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option} takes a time such as 2026-01-31T00:00:00Z, not {text!r}")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _tell_import(report: ImportReport) -> None:
    """Counts, what was assumed, what was refused and why; status 1 when a row was refused, 2 when it ended early."""
    counts = f"{report.accepted:,} accepted, {report.duplicates:,} there already, {report.rejected_count:,} rejected"
    click.echo(f"{report.rows:,} rows read: {counts}.")
    if report.mapped:
        click.echo("Read from columns: " + ", ".join(f"{field} = {column}" for field, column in report.mapped.items()))
    if report.ignored:
        click.echo("Columns not used: " + ", ".join(report.ignored))
    for note in report.notes:
        click.echo(f"Note: {note}")
    for place, reason in report.rejected:
        click.echo(f"  row {place}: {reason}", err=True)
    if report.rejected_count > len(report.rejected):
        click.echo(f"  and {report.rejected_count - len(report.rejected):,} more", err=True)
    if report.accepted:
        click.echo(f"To take it out again: ops-center import --undo {report.batch_id}")
    if report.problem is not None:
        fail(f"{report.problem.title}. {report.problem.detail} What was accepted stays; run it again to go on.")
    if report.rejected_count:
        sys.exit(1)


if __name__ == "__main__":
    main()
