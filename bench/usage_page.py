"""The whole usage page over 1 and 10 million attempts: its callbacks in process, beside the bare queries of each."""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from app import create_app
from bench.console import table
from bench.usage_set import build
from data_sources.result import utc_now
from data_sources.state.links import make_link_token
from data_sources.usage import sql
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.types import UsageQuery
from data_sources.usage.windows import span, windows
from settings import load

# attempts -> what the whole page may take, in ms
TARGETS_MS = {1_000_000: 150.0, 10_000_000: 300.0}
ATTEMPTS = [int(size) for size in os.environ.get("BENCH_ATTEMPTS", "1000000,10000000").split(",")]
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "9"))
TZ = "Europe/Berlin"


def main() -> None:
    """Build each set, then print one table a range."""
    for attempts in ATTEMPTS:
        with TemporaryDirectory(prefix="ops-center-bench-") as folder:
            data_dir = Path(folder)
            # in a process of its own: what building takes is no memory of the console
            builder = multiprocessing.get_context("spawn").Process(target=_build, args=(data_dir, attempts))
            builder.start()
            builder.join()
            _pages(data_dir, attempts)


def _build(data_dir: Path, attempts: int) -> None:
    build(data_dir / "usage.duckdb", attempts).close()


def _pages(data_dir: Path, attempts: int) -> None:
    app = create_app(load(data_dir=data_dir))
    ops = app.server.extensions["ops"]
    client, token = _signed_in(app)
    panels = _panel_callbacks(client)
    print(f"{attempts:,} attempts, 90 days, 31 models, 6 providers, 2,001 users; median of {ROUNDS} rounds, ms")
    for name in ("30d", "quarter", "year"):
        _range(ops, ops.usage_store, client, token, panels, name, TARGETS_MS.get(attempts))
    print(f"memory of the process: {psutil.Process().memory_info().rss / 1e6:.0f} MB, target 600 MB\n")
    ops.close()


def _range(
    ops: Any, store: Any, client: Any, token: str, panels: dict[str, Any], name: str, target_ms: float | None
) -> None:
    query = UsageQuery(range=name, tz=TZ)  # type: ignore[arg-type]
    data = {"search": f"range={name}&tz={TZ}"}
    took: dict[str, list[float]] = {panel: [] for panel in panels}
    bare: dict[str, list[float]] = {panel: [] for panel in panels}
    for _ in range(ROUNDS + 1):
        ops.usage = EmbeddedUsage(store)  # nothing kept from the round before; panels of one page share what they ask
        for panel, body in panels.items():
            took[panel].append(_ms(lambda body=body: _call(client, token, body, data)))
            bare[panel].append(_ms(lambda panel=panel: _bare(store, query, panel)))
    rows = [
        [panel, f"{statistics.median(took[panel][1:]):.1f}", f"{statistics.median(bare[panel][1:]):.1f}"]
        for panel in panels
    ]
    whole = sum(statistics.median(each[1:]) for each in took.values())
    rows.append(["whole page", f"{whole:.1f}", f"{sum(statistics.median(each[1:]) for each in bare.values()):.1f}"])
    table([dict(zip(("panel", "callback", "bare queries"), row, strict=True)) for row in rows])
    met = (
        "no target" if target_ms is None else f"target {target_ms:.0f} ms: {'met' if whole <= target_ms else 'missed'}"
    )
    print(f"{name}: whole page {whole:.0f} ms, {met}\n")


def _ms(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1e3


def _signed_in(app: Any) -> tuple[Any, str]:
    client = app.server.test_client()
    key = app.server.extensions["ops"].secret_key
    client.get(f"/login?token={make_link_token(key, 'admin', organization_id=None, email=None)}")
    return client, client.get_cookie("ops_csrf").value


def _panel_callbacks(client: Any) -> dict[str, Any]:
    """The page's own callbacks, as the browser calls them."""
    client.get("/admin/llm/usage")
    found = {}
    for each in client.get("/_dash-dependencies").get_json():
        if any(given["id"] == "usage-query" for given in each["inputs"]):
            outputs = [
                dict(zip(("id", "property"), out.rsplit(".", 1), strict=True))
                for out in each["output"].strip(".").split("...")
            ]
            if not outputs[0]["id"].startswith("usage-"):
                continue  # the same query leads to other pages as well
            panel = outputs[0]["id"].removeprefix("usage-").removesuffix("-body")
            found[panel] = {"output": each["output"], "outputs": outputs, "inputs": each["inputs"], "state": []}
    return found


def _call(client: Any, token: str, body: dict[str, Any], data: dict[str, Any]) -> None:
    inputs = [{**given, "value": data if given["id"] == "usage-query" else None} for given in body["inputs"]]
    sent = {**body, "inputs": inputs, "changedPropIds": ["usage-query.data"]}
    answer = client.post(
        "/_dash-update-component",
        data=json.dumps(sent),
        headers={"Content-Type": "application/json", "X-CSRFToken": token},
    )
    text = answer.get_data(as_text=True)
    if answer.status_code != 200 or '"ready"' not in text:
        raise RuntimeError(f"{body['output']}: {answer.status_code} {text[:300]}")


_BY: dict[str, tuple[str, ...]] = {
    "models": ("model",),
    "levels": ("power_level",),
    "providers": ("provider",),
    "calls": ("provider",),  # the cost is drawn from the same answer
}


def _bare(store: Any, query: UsageQuery, panel: str) -> None:
    """The same questions asked of DuckDB and nothing else."""
    now = utc_now()
    window, before = windows(query, now)
    here, there = span(window, now), span(before, now)
    statements: list[tuple[str, Any]] = []
    if panel == "figures":
        for part in (here, there):
            statements += sql.sums(query, part)
            statements += sql.sums(query, part, by=("call_duration_ms",), measures=("calls",))
        statements += sql.sums(query, here, by=("cost_source",), measures=("attempts", "calls", "cost_usd"))
    elif panel == "recent":
        text = sql.rows(
            ("started_at_us", "call_id", "model", "provider", "status", "input_tokens", "output_tokens", "cost_usd"),
            (),
            calls_only=True,
            newest_first=True,
            after=False,
        )
        statements.append((text, dict(sql.values_of(query, here, limit=51))))
    elif panel == "unpriced":  # beside the totals, which the figures ask for
        statements += sql.sums(query, here, by=("provider", "model", "cost_source"))
    elif panel in _BY:
        step = {"30d": "day", "quarter": "day", "year": "day"}[query.range] if panel == "calls" else None
        statements += sql.sums(query, here, by=_BY[panel], step=step)  # type: ignore[arg-type]
    with store.cursor() as cursor:
        for text, values in statements:
            cursor.execute(text, values).fetchall()


if __name__ == "__main__":
    main()
