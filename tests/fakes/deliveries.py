"""Signed webhooks on their way to a console: delivered, lost, repeated, late or out of order."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

import requests

from tests.fakes.watcher import Change
from tests.fakes.webhooks import lago_hmac_headers, lago_message, stripe_event, stripe_headers

Mode = Literal["delivered", "lost", "twice", "late", "shuffled"]
MODES: dict[Mode, str] = {
    "delivered": "Delivered at once",
    "lost": "Lost",
    "twice": "Delivered twice",
    "late": "15 s late",
    "shuffled": "Out of order, within 5 s",
}


@dataclass
class Delivery:
    """One message; `outcome` is the console's answer in words, or that it is still under way."""

    sender: str
    kind: str
    raw: bytes
    event_id: str
    due_s: float
    tries: int = 0
    outcome: str = "on its way"


class Deliveries:
    """Sends them from a thread of its own.

    Args:
        console: The console's address.
    """

    def __init__(self, console: str) -> None:
        self.mode: Mode = "delivered"
        self.log: deque[Delivery] = deque(maxlen=200)
        self._console = console
        self._waiting: list[Delivery] = []
        self._lock = threading.Lock()
        self._chance = random.Random()
        self._numbers = 0
        self._born = int(time.time())
        self._session = requests.Session()

    def take(self, change: Change) -> None:
        """Something happened at Stripe or Lago."""
        sender, kind, about = change
        self._numbers += 1
        event_id = f"{'evt' if sender == 'stripe' else 'key'}_{self._born}_{self._numbers}"
        raw = stripe_event(about, kind, event_id) if sender == "stripe" else lago_message(kind, about)
        wait_s = {"late": 15.0, "shuffled": self._chance.uniform(0.0, 5.0)}.get(self.mode, 0.0)
        made = Delivery(sender, kind, raw, event_id, time.monotonic() + wait_s)
        with self._lock:
            self.log.appendleft(made)
            if self.mode == "lost":
                made.outcome = "lost"
                return
            self._waiting += [made, made] if self.mode == "twice" else [made]

    def send_due(self) -> None:
        """Send what is due; what was not taken is sent again, as both services do."""
        now_s = time.monotonic()
        with self._lock:
            due = sorted((one for one in self._waiting if one.due_s <= now_s), key=lambda one: one.due_s)
            self._waiting = [one for one in self._waiting if one.due_s > now_s]
        for one in due:
            one.tries += 1
            status = self._post(one)
            one.outcome = f"{'no answer' if status is None else status}, try {one.tries}"
            if (status is None or status >= 300) and one.tries < 4:
                one.due_s = time.monotonic() + 2.0 * one.tries
                with self._lock:
                    self._waiting.append(one)

    def _post(self, one: Delivery) -> int | None:
        made: dict[str, Any] = (
            stripe_headers(one.raw) if one.sender == "stripe" else lago_hmac_headers(one.raw, one.event_id)
        )
        try:
            url = f"{self._console}/api/v1/webhooks/{one.sender}"
            return self._session.post(url, data=one.raw, headers=made, timeout=5).status_code
        except requests.RequestException:
            return None

    def close(self) -> None:
        self._session.close()
