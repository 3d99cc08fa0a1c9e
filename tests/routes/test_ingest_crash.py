import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from data_sources.usage import integrity
from tests.data_sources.usage.ingest_rows import NOON_US, ask, differences, open_store

REPO = Path(__file__).parents[2]


class Console:
    def __init__(self, folder):
        self.child = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.ingest_console", str(folder)],
            cwd=REPO,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        port, self.key = self.child.stdout.readline().split()
        self.url = f"http://127.0.0.1:{port}/api/v1/llm/usage/events"

    def post(self, made, body):
        return made.post(self.url, data=body, headers={"Authorization": f"Bearer {self.key}"}, timeout=20)

    def kill(self):
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.communicate(timeout=10)

    def stop(self):
        self.child.communicate("", timeout=20)


def bodies(sender):
    """Endless bodies of 7 events; each third event is a second attempt of an earlier one's call."""
    number = 0
    while True:
        events = []
        for _ in range(7):
            number += 1
            call = number - 1 if number % 3 == 0 else number
            events.append(
                {
                    "event_id": f"{sender}-{number}",
                    "call_id": f"{sender}-call-{call}",
                    "started_at_us": NOON_US - 86_400_000_000 + number * 1000,
                    "status": "success" if number % 3 == 0 else "failure",
                    "provider": "p",
                    "input_tokens": number,
                    "cost_reported_usd": "0.001",
                }
            )
        yield json.dumps(events)


def send_until_it_dies(console, sender, receipts, sent, enough, count):
    with requests.Session() as made:
        for body in bodies(sender):
            sent.append(body)
            try:
                answer = console.post(made, body)
            except requests.RequestException:
                return
            if answer.status_code != 200:
                return
            receipts.append(body)
            if len(receipts) >= count:
                enough.set()


@pytest.mark.parametrize("receipts_before", [1, 15, 60])
def test_after_a_kill_everything_with_a_receipt_is_there_once_also_when_sent_again(tmp_path, receipts_before):
    console = Console(tmp_path)
    receipts, sent, enough = [], [], threading.Event()
    senders = [
        threading.Thread(target=send_until_it_dies, args=(console, name, receipts, sent, enough, receipts_before))
        for name in "abc"
    ]
    for sender in senders:
        sender.start()
    assert enough.wait(30)
    console.kill()
    for sender in senders:
        sender.join(timeout=30)

    promised = {made["event_id"] for body in receipts for made in json.loads(body)}
    store = open_store(tmp_path)
    stored = [row[0] for row in ask(store, "SELECT event_id FROM attempts")]
    assert len(stored) == len(set(stored))
    assert promised <= set(stored)
    assert differences(store) == []
    with store.cursor() as cursor:
        assert integrity.damage(cursor) == ()
    store.close()

    console = Console(tmp_path)
    with requests.Session() as made:
        assert {console.post(made, body).status_code for body in sent} == {200}
    console.stop()
    store = open_store(tmp_path)
    everything = {made["event_id"] for body in sent for made in json.loads(body)}
    again = [row[0] for row in ask(store, "SELECT event_id FROM attempts")]
    assert sorted(again) == sorted(everything)
    assert differences(store) == []
    store.close()
