"""From the page's question to its plan cards, beside the slowest single call to Lago; Lago answers slowly here."""

from __future__ import annotations

import statistics
import time
from typing import Any

import requests

from bench.billing_console import member, shop
from bench.console import table
from tests.fakes import lago

ROUNDS = 15
LAGO_MS = {"/api/v1/plans": 120, "/api/v1/customers": 150, "/api/v1/subscriptions": 200}
TARGET_MS = 50.0


def main() -> None:
    """Print one row for each number of plans."""
    rows = [_row(plans, offered) for plans, offered in ((5, 5), (20, 20), (250, 6))]
    table(rows)
    print(f"target: cards ready within the slowest single call + {TARGET_MS:.0f} ms")


def _row(plans: int, offered: int) -> dict[str, Any]:
    with shop(billing_plans=",".join(f"p{number}" for number in range(offered))) as (app, billing):
        billing.lago.page_size = 100
        billing.lago.plans = [lago.plan(f"p{number}", f"Plan {number}", 100 * number) for number in range(plans)]
        billing.lago.subscribe("org-acme", "p1")
        billing.lago.delays_s = {path: each / 1000 for path, each in LAGO_MS.items()}
        client, headers = member(app, "acme")
        body = _panel(client, "subscription-plans")
        ready = []
        for _ in range(ROUNDS + 1):
            began = time.perf_counter()
            answer = client.post("/_dash-update-component", json=body, headers=headers)
            ready.append((time.perf_counter() - began) * 1000)
            assert b"data-plan" in answer.data
        slowest = max(_alone(billing.lago.url, path) for path in LAGO_MS)
    # The first round opens the connections.
    ready_ms = statistics.median(ready[1:])
    return {
        "plans in Lago": plans,
        "on offer": offered,
        "pages of plans": -(-plans // 100),
        "slowest single Lago call": f"{slowest:.0f} ms",
        "cards ready": f"{ready_ms:.0f} ms",
        "longest of 15": f"{max(ready[1:]):.0f} ms",
        "on top": f"{ready_ms - slowest:.0f} ms",
    }


def _alone(url: str, path: str) -> float:
    """Median time of one call with nobody else asking, in ms."""
    known = {"/api/v1/customers": f"{path}/org-acme"}.get(path, path)
    took = []
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {lago.KEY}"
        for _ in range(6):
            began = time.perf_counter()
            session.get(url + known, timeout=10).json()
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took[1:])


def _panel(client: Any, panel: str) -> dict[str, Any]:
    """The body of the callback that fills a panel."""
    known = client.get("/_dash-dependencies").get_json()
    found = next(each for each in known if f"{panel}-body.children" in each["output"] and each["inputs"])
    parts = [part.rsplit(".", 1) for part in found["output"].strip(".").split("...")]
    return {
        "output": found["output"],
        "outputs": [{"id": name, "property": attribute} for name, attribute in parts],
        "inputs": [{**each, "value": None} for each in found["inputs"]],
        "changedPropIds": [],
        "state": [{**each, "value": None} for each in found["state"]],
    }


if __name__ == "__main__":
    main()
