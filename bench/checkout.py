"""The console's own time of a click on "Select plan", Lago's and Stripe's subtracted, beside a refused click."""

from __future__ import annotations

import statistics
import threading
import time
from typing import Any

import requests

from bench.billing_console import member, shop
from bench.console import table

ROUNDS = 40
TARGET_MS = 30.0


class Outside:
    """Time in which at least one call to Lago or Stripe was under way."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self.cpu_s = 0.0  # of the thread that clicks, inside such calls
        self._clicks = threading.get_ident()
        self._lock = threading.Lock()
        self._send = requests.Session.send

    def __enter__(self) -> Outside:
        outside = self

        def send(session: Any, *given: Any, **named: Any) -> Any:
            began, cpu = time.perf_counter(), time.thread_time()
            try:
                return outside._send(session, *given, **named)
            finally:
                with outside._lock:
                    outside.spans.append((began, time.perf_counter()))
                    if threading.get_ident() == outside._clicks:
                        outside.cpu_s += time.thread_time() - cpu

        requests.Session.send = send  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        requests.Session.send = self._send  # type: ignore[method-assign]

    def take_ms(self) -> float:
        """The time since the last call of this, in ms; overlapping calls count once."""
        total, until = 0.0, 0.0
        for began, ended in sorted(self.spans):
            total += max(0.0, ended - max(began, until))
            until = max(until, ended)
        self.spans.clear()
        return total * 1000


def main() -> None:
    """Print one row a collector."""
    rows = [_row(collector) for collector in ("lago", "stripe")]
    table(rows)
    print(f"target: own time <= {TARGET_MS:.0f} ms")


def _row(collector: str) -> dict[str, Any]:
    own, outside_ms, refused, cpu_ms = [], [], [], []
    with shop(collector) as (app, billing), Outside() as outside:
        for number in range(ROUNDS + 3):
            client, headers = member(app, f"org{number}")
            if collector == "lago":  # connected to Stripe before: else the time is spent waiting for Lago
                connected = {"payment_provider": "stripe", "provider_customer_id": f"cus_{number}"}
                billing.lago.add_customer(f"org-org{number}", billing_configuration=connected)
            outside.spans.clear()
            outside.cpu_s, cpu = 0.0, time.thread_time()
            began = time.perf_counter()
            answer = client.post("/api/v1/billing/checkout/create", json={"plan_code": "business"}, headers=headers)
            whole = (time.perf_counter() - began) * 1000
            assert answer.json["status"] == "redirect"
            cpu_ms.append((time.thread_time() - cpu - outside.cpu_s) * 1000)
            asked = outside.take_ms()
            own.append(whole - asked)
            outside_ms.append(asked)
            began = time.perf_counter()
            client.post("/api/v1/billing/checkout/create", json={"no_plan": 1}, headers=headers)
            refused.append((time.perf_counter() - began) * 1000)
        calls = len(billing.lago.asked) + len(billing.stripe.asked)
    # The first rounds open connections and the database.
    return {
        "collector": collector,
        "own time, median": f"{statistics.median(own[3:]):.1f} ms",
        "95th of 100": f"{statistics.quantiles(own[3:], n=20)[-1]:.1f} ms",
        "of it CPU": f"{statistics.median(cpu_ms[3:]):.1f} ms",
        "in Lago's and Stripe's fakes": f"{statistics.median(outside_ms[3:]):.1f} ms",
        "calls a click": round(calls / (ROUNDS + 3), 1),
        "a refused click (reference)": f"{statistics.median(refused[3:]):.1f} ms",
    }


if __name__ == "__main__":
    main()
