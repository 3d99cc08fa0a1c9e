"""What others sent is only words in a terminal: nothing in it is obeyed, and nothing breaks a command."""

import io

import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cli import main
from tests.data_sources.usage.ingest_rows import NOON_US
from verbs.terminal import COLUMNS, cell, plain, show_whole, task_name

HOSTILE = ["\x1b[2J\x1b]0;owned\x07", "a\rb", "line\nline", "\u202egpt", "\u2028", "\x9b31m", "\ud800", "\x00"]


@pytest.mark.parametrize("words", HOSTILE)
def test_what_a_terminal_obeys_becomes_visible(words):
    shown = plain(words)
    assert shown.isprintable()
    assert "\\u" in shown


@pytest.mark.parametrize("words", ["gpt-5-mini", "größe 日本 ０", "a\xa0b", "[red]x[/]", "👍"])
def test_other_words_stay_as_they_are(words):
    assert plain(words) == words


def test_brackets_are_text_in_tables_and_beside_bars():
    page = Console(file=io.StringIO(), width=80, force_terminal=True)
    table = Table("a")
    table.add_row(cell("[/] [bold]x"))
    page.print(table)
    with Progress(*COLUMNS, console=page) as progress:
        progress.add_task(task_name("[/] [bold]y.csv"), total=1)
    shown = page.file.getvalue()
    assert "[/] [bold]x" in shown
    assert "[/] [bold]y.csv" in shown


def test_a_table_of_amounts_is_never_cut(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    table = Table("Model", "USD before", "after")
    cells = ("gpt-5-mini-2026-11-29", "18.571034567890123456", "123456.000000000000000001")
    table.add_row(*map(cell, cells))
    show_whole(table)
    shown = capsys.readouterr().out
    assert [words for words in cells if words not in shown] == []


def test_a_hostile_model_name_neither_breaks_nor_commands_what_repricing_prints(make_app, serve, monkeypatch):
    app = make_app()
    monkeypatch.setenv("OPS_DATA_DIR", str(app.server.extensions["ops"].settings.data_dir))
    served = serve(app)
    name = "[/] \x1b[2J\u202emodel"
    event = {"event_id": "a", "started_at_us": NOON_US - 86_400_000_000, "model": name, "input_tokens": 1}
    key = {"Authorization": f"Bearer {app.server.extensions['ops'].ingest_token}"}
    assert app.server.test_client().post("/api/v1/llm/usage/events", json=[event], headers=key).status_code == 200
    done = CliRunner().invoke(main, ["reprice", "--from", "2026-01-01", "--url", served.url], terminal_width=200)
    assert done.exit_code == 0, done.output
    assert "\x1b[2J" not in done.output
    assert "\u202e" not in done.output
    assert "0 of 1 attempts" in done.output
