"""What the start finds wrong before it serves is one line, told by the command itself and not by its server."""

import os

import pytest
from click.testing import CliRunner

import routes.serving
import verbs.importing
from cli import main
from data_sources.state.folder_lock import Served, lock_folder


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Run `serve` on a data folder up to where it would begin to serve."""
    monkeypatch.setenv("OPS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(routes.serving, "run", lambda *_args, **_options: pytest.fail("it served"))
    return lambda: CliRunner().invoke(main, ["serve"])


@pytest.mark.parametrize("name", ["secret_key", "ingest_token"])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(b""), "holds no key; delete it to have a new one made"),
        (lambda path: path.write_bytes(b"\xff" * 40), "holds no key; delete it to have a new one made"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.symlink_to("/proc/none/key"), "No such file or directory"),
    ],
)
def test_a_bad_key_file_ends_the_start_with_one_line_that_names_it(tmp_path, start, name, spoil, said):
    spoil(tmp_path / name)
    done = start()
    assert (done.exit_code, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert str(tmp_path / name) in line
    assert said in line


def test_a_secret_file_that_is_no_text_ends_the_start_with_one_line(tmp_path, start, monkeypatch):
    path = tmp_path / "token"
    path.write_bytes(b"\xff" * 40)
    monkeypatch.setenv("OPS_READ_TOKEN_FILE", str(path))
    assert (start().exit_code, start().stderr) == (2, f"ops-center: OPS_READ_TOKEN_FILE: {path} is not UTF-8 text\n")


def test_an_import_sends_the_key_that_the_server_takes_from_a_file(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("an-ingest-key-of-the-test\n")
    monkeypatch.setenv("OPS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("OPS_INGEST_TOKEN_FILE", str(tmp_path / "token"))
    asked = []
    monkeypatch.setattr(verbs.importing, "undo_import", lambda *words: asked.append(words) or 1)
    assert CliRunner().invoke(main, ["import", "--undo", "b1"]).exit_code == 0
    assert asked == [("http://127.0.0.1:8050", "an-ingest-key-of-the-test", "b1")]


def test_commands_find_the_server_of_their_data_folder_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("OPS_DATA_DIR", str(tmp_path))
    asked = []
    monkeypatch.setattr(verbs.importing, "undo_import", lambda address, *_: asked.append(address) or 1)
    held = lock_folder(tmp_path, Served("http://127.0.0.1:18631", "https://ops.example.com"))
    undo = ["import", "--undo", "b1"]
    for words in (undo, [*undo, "--url", "http://there/"]):
        CliRunner().invoke(main, words, catch_exceptions=False)
    link = CliRunner().invoke(main, ["link"])
    assert link.stdout.startswith("https://ops.example.com/login?token=")
    assert link.stderr == ""
    monkeypatch.setenv("OPS_PUBLIC_URL", "https://mine.example.com")
    CliRunner().invoke(main, undo)
    assert CliRunner().invoke(main, ["link"]).output.startswith("https://mine.example.com/login?token=")
    monkeypatch.setenv("OPS_PORT", "9000")
    CliRunner().invoke(main, undo)
    os.close(held)
    link = CliRunner().invoke(main, ["link"])
    assert f"no console serves from {tmp_path} now" in link.stderr
    assert len(link.stdout.splitlines()) == 1
    monkeypatch.delenv("OPS_PORT")
    CliRunner().invoke(main, undo)
    local = [f"http://127.0.0.1:{port}" for port in (18631, 18631, 9000, 8050)]
    assert asked == [local[0], "http://there", *local[1:]]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:8050", "--url must be an http:// or https:// address, such as http://127.0.0.1:8050"),
        ("", "--url must be an http:// or https:// address"),
        ("http://", "--url must be an http:// or https:// address"),
        ("http://a b", "--url must be an http:// or https:// address"),
        ("http://there:99999", "--url must be an http:// or https:// address"),
        ("http://me:hidden@there", "--url must not carry a user or password"),
        ("http://there/admin/llm/usage?range=7d", "--url takes the console's address alone: http://there\n"),
        ("http://.there", "The console at http://.there has an address that cannot be asked."),
    ],
)
def test_a_url_that_is_none_of_a_console_is_told_before_anything_is_read(tmp_path, monkeypatch, url, said):
    monkeypatch.setenv("OPS_DATA_DIR", str(tmp_path))
    for words in (["import", "--undo", "b1"], ["doctor"]):
        done = CliRunner().invoke(main, [*words, "--url", url])
        assert (done.exit_code, "hidden" in done.stderr) == (2, False)
        assert said in done.stderr
