"""The `ops-center` command. Each verb calls one function; what talks to a running server is an HTTP client of it."""

from __future__ import annotations

import logging
import os
import socket
import sys
from importlib import import_module

import click
import requests
from rich.table import Table

from data_sources.http import Answer, call_json, session
from data_sources.state.folder_lock import FolderInUseError, Served, lock_folder, served_from
from data_sources.state.keys import KeyFolderError, ensure_folder
from data_sources.state.links import make_link_token
from settings import Settings, SettingsError
from verbs.terminal import (
    address_of,
    base_url_of,
    cell,
    cli_key,
    fail,
    ingest_token_of,
    load_settings,
    out,
    say,
    secret_key_of,
    url_option,
)

THREADS = 64  # senders wait in theirs until their events are durable, and are committed together


_VERBS = {
    "backup": "verbs.upkeep",
    "forget": "verbs.upkeep",
    "import": "verbs.importing",
    "reprice": "verbs.upkeep",
    "restore": "verbs.upkeep",
    "verify": "verbs.upkeep",
}


class _Verbs(click.Group):
    """Loads what a verb needs when it is asked for: a link does not wait for the usage store's engine."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_VERBS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return super().get_command(ctx, cmd_name)
        name = "import_" if cmd_name == "import" else cmd_name
        verb: click.Command = getattr(import_module(_VERBS[cmd_name]), name)
        return verb


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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
    settings = load_settings(host=host, port=port)
    from app import check_address, create_app
    from routes.sources import read_prices

    try:
        check_address(settings)
        read_prices(settings)
        ensure_folder(settings.data_dir)
        secret_key = secret_key_of(settings)
        ingest_token_of(settings)  # now, while what is wrong with it can still be one line: the server reads it forked
        served = Served(settings.listens_at, settings.base_url)
        lock_folder(settings.data_dir, served)  # held until the last process of this server ends
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
    settings = load_settings()
    try:
        token = make_link_token(secret_key_of(settings), role, organization_id=org, email=email)  # type: ignore[arg-type]
    except KeyFolderError as error:
        fail(str(error))
    click.echo(f"{base_url_of(settings)}/login?token={token}")
    if served_from(settings.data_dir) is None:
        say(f"Note: no console serves from {settings.data_dir} now. The link works once one does.", err=True)


@main.command()
@url_option
def doctor(url: str | None) -> None:
    """Ask the running console which sources are configured and answer."""
    settings = load_settings()
    key = cli_key(settings)()
    address = address_of(settings, url)
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
    marks = {
        "ok": cell("ok", "green"),
        "warn": cell("attention", "yellow"),
        "danger": cell("failed", "red"),
        "none": cell("not set"),
    }
    for state in answer.body["sources"]:
        mark = marks.get(state["dot"]) or cell(state["dot"])
        table.add_row(cell(state["name"]), mark, cell(state["word"]), cell(state["detail"]))
    out.print(table)
    if any(state["dot"] == "danger" for state in answer.body["sources"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
