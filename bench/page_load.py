"""Cold load of each page, at 10 Mbit/s and 40 ms, beside a default Dash: bytes and time to the first chart."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any

from bench.console import chromium, free_port, run, served, table, wait_until_up

PAGES = {
    "LLM usage": "/admin/llm/usage",
    "System": "/admin/system/monitoring",
    "Subscription": "/admin/subscription/plan",
}
RUNS = 3
CHARTS = {"LLM usage": ".main-svg .barlayer path", "System": "#system-network-graph .js-line"}
LAYOUT = "h1"
SETTLED_S = 1  # what comes after the first chart belongs to the page too

# The peer: a Dash as its tutorial makes one, under the same server.
DEFAULT_DASH = """
import sys, dash, dash_bootstrap_components, plotly.express as px
from dash import dcc, html
app = dash.Dash(__name__)
app.layout = html.Div([html.H1("Default"), dcc.Graph(figure=px.line(x=list(range(60)), y=list(range(60))))])
from gunicorn.app.base import BaseApplication
class Server(BaseApplication):
    def load_config(self):
        for name, value in {"bind": f"127.0.0.1:{sys.argv[1]}", "worker_class": "gthread", "threads": 16,
                            "loglevel": "error", "control_socket_disable": True}.items():
            self.cfg.set(name, value)
    def load(self):
        return app.server
Server().run()
"""


# The page itself notes when it first holds each thing: asking it from outside, again and again, would take the time
# that is measured, and a question waits as long as the page is busy.
NOTE = """
window.benchSeen = {};
(function look() {
  for (const [name, selector] of Object.entries(WANTED)) {
    if (!(name in benchSeen) && document.querySelector(selector)) {
      benchSeen[name] = performance.now();
    }
  }
  requestAnimationFrame(look);
})();
"""
SENT = (
    "return performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
    ".reduce((sum, e) => sum + e.transferSize, 0)"
)


def load(url: str, *, chart: str | None, link: str | None = None) -> dict[str, float]:
    """Load a page from an empty cache at 10 Mbit/s and 40 ms; kB and milliseconds from the address on."""
    driver = chromium()
    wanted = {"layout": LAYOUT} | ({"chart": chart} if chart else {})
    try:
        driver.execute_cdp_cmd("Network.enable", {})
        if link:
            driver.get(link)
            driver.get("about:blank")
            driver.execute_cdp_cmd("Network.clearBrowserCache", {})
        slow = {"offline": False, "latency": 40, "downloadThroughput": 1.25e6, "uploadThroughput": 1.25e6}
        driver.execute_cdp_cmd("Network.emulateNetworkConditions", slow)
        note = NOTE.replace("WANTED", json.dumps(wanted))
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": note})
        driver.get(url)
        seen = _seen(driver, set(wanted))
        time.sleep(SETTLED_S)
        sent = driver.execute_script(SENT)
    finally:
        driver.quit()
    return {"kB": sent / 1000, "layout_ms": seen["layout"], "chart_ms": seen["chart" if chart else "layout"]}


def _seen(driver: Any, wanted: set[str]) -> dict[str, float]:
    deadline = time.monotonic() + 60
    while True:
        time.sleep(0.1)
        seen: dict[str, float] = driver.execute_script("return window.benchSeen || {}")
        if set(seen) >= wanted:
            return seen
        if time.monotonic() > deadline:
            raise TimeoutError(f"{wanted - set(seen)} never came")


def row(name: str, results: list[dict[str, float]], *, chart: bool) -> dict[str, Any]:
    """The medians as a table row."""
    middle = {key: statistics.median(result[key] for result in results) for key in results[0]}
    return {
        "page": name,
        "kB transferred": f"{middle['kB']:.0f}",
        "heading, ms": f"{middle['layout_ms']:.0f}",
        "first chart, ms": f"{middle['chart_ms']:.0f}" if chart else "no chart",
    }


def main() -> None:
    rows = []
    with served() as (url, environment):
        run(environment, "import", "tests/data/azure_code_200.csv", "--tz", "UTC", *_AZURE)
        window = "?start=2023-11-16T18:00:00Z&end=2023-11-16T20:00:00Z"
        for name, path in PAGES.items():
            chart = CHARTS.get(name)
            address = url + path + (window if name == "LLM usage" else "")
            results = [load(address, chart=chart, link=run(environment, "link")) for _ in range(RUNS)]
            rows.append(row(name, results, chart=chart is not None))
    port = free_port()
    peer = subprocess.Popen([sys.executable, "-c", DEFAULT_DASH, str(port)])
    try:
        wait_until_up(f"http://127.0.0.1:{port}")
        results = [load(f"http://127.0.0.1:{port}/", chart=".main-svg .scatterlayer .js-line") for _ in range(RUNS)]
        rows.append(row("reference: default Dash, one chart", results, chart=True))
    finally:
        peer.terminate()
        peer.wait(timeout=30)
    table(rows)


_AZURE = (
    "--map",
    "started_at=TIMESTAMP",
    "--map",
    "input_tokens=ContextTokens",
    "--map",
    "output_tokens=GeneratedTokens",
    "--set",
    "tags=code",
    "--set",
    "source=azure-llm-inference-2023-code",
)

if __name__ == "__main__":
    main()
