"""The command as a user types it: real processes, one clear line when something is wrong."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

OPS_CENTER = Path(sys.executable).parent / "ops-center"
EVENT = {"started_at": "2026-11-20T10:00:00Z", "provider": "openai", "model": "gpt-5-mini", "status": "success"}


def environment(tmp_path, **given):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OPS_")}
    return clean | {"OPS_DATA_DIR": str(tmp_path / "data"), "PYTHONUNBUFFERED": "1", **given}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Running:
    """`ops-center serve` in its own process, read line by line until it is up."""

    def __init__(self, tmp_path, **given):
        self.environment = environment(tmp_path, OPS_PORT=str(free_port()), **given)
        self.process = subprocess.Popen(
            [OPS_CENTER, "serve"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if "Stop with" in line:
                break
        else:
            raise AssertionError("the console never came up:\n" + "\n".join(self.lines))
        self.url = f"http://127.0.0.1:{self.environment['OPS_PORT']}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def run(self, *words):
        return subprocess.run(
            [OPS_CENTER, *words], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def key(self):
        return (Path(self.environment["OPS_DATA_DIR"]) / "ingest_token").read_text().strip()

    def send(self, *events):
        return requests.post(
            f"{self.url}/api/v1/llm/usage/events",
            data=json.dumps(events),
            headers={"Authorization": f"Bearer {self.key()}", "Content-Type": "application/json"},
            timeout=30,
        )

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        if not self.process.stdout.closed:
            rest, _ = self.process.communicate(timeout=60)
            self.lines += rest.splitlines()
        return self.process.returncode


@pytest.fixture
def console(tmp_path):
    with Running(tmp_path, OPS_READ_TOKEN="a-reading-key-of-the-test") as running:
        yield running


def test_serve_prints_its_address_and_a_link_that_signs_in_once(console):
    link = re.search(r"http://\S+/login\?token=\S+", "\n".join(console.lines))[0]
    assert link.startswith(console.url)
    session = requests.Session()
    assert session.get(link, timeout=30, allow_redirects=False).status_code == 303
    assert session.get(f"{console.url}/api/v1/session", timeout=30).json()["role"] == "admin"
    assert requests.get(link, timeout=30).status_code == 403


def test_link_prints_another_link_for_any_role(console):
    member = console.run("link", "--role", "member", "--org", "ACME").stdout.strip()
    session = requests.Session()
    session.get(member, timeout=30)
    told = session.get(f"{console.url}/api/v1/session", timeout=30).json()
    assert (told["role"], told["organization_id"]) == ("member", "ACME")


def test_a_member_link_without_an_organization_is_refused(tmp_path):
    done = subprocess.run(
        [OPS_CENTER, "link", "--role", "member"], env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--org is needed" in done.stderr


def test_doctor_tells_each_source_as_the_running_console_sees_it(console):
    done = console.run("doctor")
    assert done.returncode == 0, done.stderr
    for words in ("Usage store", "Sampler", "Lago", "not set", "OPS_LAGO_URL"):
        assert words in done.stdout


def test_doctor_says_when_nothing_runs(tmp_path):
    done = subprocess.run(
        [OPS_CENTER, "doctor", "--url", f"http://127.0.0.1:{free_port()}"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "cannot be reached" in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"OPS_PORT": "eighty"}, "OPS_PORT"),
        ({"OPS_HOST": "0.0.0.0"}, "OPS_PUBLIC_URL"),
        ({"OPS_STRIPE_API_KEY": "rk_live_ops"}, "OPS_STRIPE_API_KEY: a live key takes real money"),
        ({"OPS_DATA_DIR": "/proc/none"}, "OPS_DATA_DIR: cannot write"),
        ({"OPS_SECRET_KEY": "too-short"}, "OPS_SECRET_KEY"),
        ({"OPS_PRICES_FILE": "/proc/none.toml"}, "OPS_PRICES_FILE: /proc/none.toml cannot be read"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_one_line(tmp_path, given, said):
    done = subprocess.run(
        [OPS_CENTER, "serve"],
        env=environment(tmp_path) | given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


def test_a_busy_port_ends_the_start_with_one_line(tmp_path):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        done = subprocess.run(
            [OPS_CENTER, "serve", "--port", str(busy.getsockname()[1])],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "is in use" in done.stderr


def test_a_second_server_on_the_same_folder_ends_with_one_line_that_names_folder_and_process(console):
    again = console.run("serve", "--port", str(free_port()))
    assert (again.returncode, again.stdout) == (2, "")
    [line] = again.stderr.splitlines()
    assert console.environment["OPS_DATA_DIR"] in line
    assert f"process {console.process.pid}," in line
    assert requests.get(f"{console.url}/healthz", timeout=30).status_code == 200


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_what_was_accepted_is_there_after_the_next_start(tmp_path, how):
    events = [{"event_id": f"e{number}", **EVENT} for number in range(50)]
    with Running(tmp_path) as first:
        assert first.send(*events).json()["accepted"] == 50
        assert first.stop(how) == 0
    with Running(tmp_path) as again:
        answer = again.send(*events).json()
    assert (answer["accepted"], answer["duplicates"], answer["rejected"]) == (0, 50, [])


def test_a_file_is_imported_told_and_undone(console, tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,374,44\nyesterday,1,2\n")
    words = ("--map", "started_at=TIMESTAMP", "--map", "input_tokens=ContextTokens")
    done = console.run("import", str(path), "--tz", "UTC", *words)
    assert done.returncode == 1
    assert "2 rows read: 1 accepted, 0 there already, 1 rejected." in done.stdout
    assert re.search(r"row 3: .*yesterday", done.stderr)
    batch = re.search(r"--undo (\S+)", done.stdout)[1]
    assert "1 accepted" not in console.run("import", str(path), "--tz", "UTC", *words).stdout
    told = console.run("import", str(path), *words).stderr
    assert told.strip().endswith("without an offset: give --tz (first in row 2). Nothing was accepted.")
    assert console.run("import", "--undo", batch).stdout == f"Undone: 1 attempts of {batch} were taken out.\n"


def test_no_key_or_token_reaches_the_log(console):
    console.send({"event_id": "one", **EVENT})
    link = console.run("link").stdout.strip()
    requests.get(link, timeout=30)
    requests.get(f"{console.url}/login?token=a-wrong-token", timeout=30)
    console.stop()
    log = "\n".join(line for line in console.lines if not line.startswith("Sign in"))
    assert "signed in" in log
    for secret in (console.key(), link.split("token=")[1], "a-wrong-token", "a-reading-key-of-the-test"):
        assert secret not in log
