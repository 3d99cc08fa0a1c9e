"""What every verb needs: settings, the way to the running console, and words that are only words in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn
from unicodedata import category
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from data_sources.state.folder_lock import served_from
from data_sources.state.keys import KeyFolderError, ensure_key
from data_sources.state.links import make_cli_key
from settings import Settings, SettingsError, http_address, load

out = Console(highlight=False)
_WIDEST = 100_000  # characters of a line
COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    TextColumn("{task.percentage:>3.0f}%"),
    TimeRemainingColumn(),
)


_OBEYED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # kinds of characters that are not drawn but do something


def plain(words: str) -> str:
    """Words of others without what a terminal obeys: control characters and marks of direction become visible."""
    if words.isprintable():
        return words
    return "".join(f"\\u{ord(sign):04x}" if category(sign) in _OBEYED else sign for sign in words)


def cell(words: str, style: str = "") -> Text:
    """A cell of a table: text, whatever brackets are in it."""
    return Text(plain(words), style=style)


def task_name(words: str) -> str:
    """The name of a task beside its bar."""
    return escape(plain(words))


def show_whole(table: Table) -> None:
    """Print a table as wide as its content, whatever the terminal or pipe: no cell of it is cut or folded."""
    page = Console(highlight=False)
    widest = page.options.update(width=_WIDEST)
    page.width = max(1, Measurement.get(page, widest, table).maximum)
    page.print(table)


def say(sentence: str, *, err: bool = False) -> None:
    """Print a line."""
    click.echo(plain(sentence), err=err)


def fail(sentence: str) -> NoReturn:
    """End with one clear line and status 2."""
    say(f"ops-center: {sentence}", err=True)
    sys.exit(2)


def load_settings(**given: Any) -> Settings:
    """The settings; a wrong one ends the command."""
    try:
        return load(**given)
    except SettingsError as error:
        fail(str(error))


def secret_key_of(settings: Settings) -> str:
    """What signs links and keys on this machine."""
    given = settings.secret_key
    return given.get_secret_value() if given else ensure_key(settings.data_dir, "secret_key")


def ingest_token_of(settings: Settings) -> str:
    """Senders' key for the console of this machine."""
    given = settings.ingest_token
    return given.get_secret_value() if given else ensure_key(settings.data_dir, "ingest_token", prefix="ops_in_")


def cli_key(settings: Settings) -> Callable[[], str]:
    """Makes this machine's own key: short-lived, so a long command makes one for each question."""
    try:
        secret_key = secret_key_of(settings)
    except KeyFolderError as error:
        fail(str(error))
    return lambda: make_cli_key(secret_key)


url_option = click.option(
    "--url", help="Address of the running console; default: of the one on this data folder, else from the settings."
)


def address_of(settings: Settings, url: str | None) -> str:
    """Where the running console listens: as `--url` or the settings say, else as it noted itself (`serve --port`)."""
    if url is not None:
        return _given(url)
    noted = None if settings.model_fields_set & {"host", "port"} else served_from(settings.data_dir)
    return noted.listens_at if noted else settings.listens_at


def _given(url: str) -> str:
    """The address of `--url`; what is none of a console ends the command."""
    try:
        address = http_address(url.strip())
    except ValueError as error:
        fail(f"--url {error}, such as http://127.0.0.1:8050")
    parts = urlsplit(address)
    if parts.path or parts.query or parts.fragment:
        fail(f"--url takes the console's address alone: {parts.scheme}://{parts.netloc}")
    return address


def base_url_of(settings: Settings) -> str:
    """The running console's address as users type it: as the settings say, else as it noted itself."""
    given = settings.model_fields_set & {"host", "port", "public_url"}
    noted = None if given else served_from(settings.data_dir)
    return noted.base_url if noted else settings.base_url


def moment(text: str | None, option: str) -> datetime | None:
    """An option's time, UTC unless it has an offset; None where it is not given."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option} takes a time such as 2026-01-31T00:00:00Z, not {text!r}")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
