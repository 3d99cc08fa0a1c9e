"""The commands that pages show work when they are pasted."""

import pytest

from components.first_run import first_run
from routes import own_command as module
from routes.own_command import own_command


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout as `make run` leaves it, with nothing of it on the PATH."""
    script = tmp_path / "ops" / ".venv" / "bin" / "ops-center"
    script.parent.mkdir(parents=True)
    script.touch(mode=0o755)
    monkeypatch.setattr(module, "_CHECKOUT", tmp_path / "ops")
    monkeypatch.setattr("sys.prefix", str(tmp_path / "ops" / ".venv"))
    monkeypatch.setenv("PATH", "/none")
    own_command.cache_clear()
    yield tmp_path / "ops"
    own_command.cache_clear()


def test_the_command_is_named_by_its_path_from_the_checkout(checkout):
    assert own_command() == ".venv/bin/ops-center"
    assert ".venv/bin/ops-center import calls.csv" in str(first_run("http://x", None, [], "", command=own_command()))


def test_the_command_is_named_alone_where_it_is_on_the_path(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout / ".venv" / "bin"))
    assert own_command() == "ops-center"


def test_no_path_of_the_machine_is_shown(checkout, monkeypatch):
    monkeypatch.setattr(module, "_CHECKOUT", checkout / "elsewhere")
    assert own_command() == "ops-center"
