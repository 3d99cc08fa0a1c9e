"""Takes the README's pictures: Azure's public traces, this machine, and the example plans of the tests' Lago."""

from __future__ import annotations

import base64
import sys
import time
from pathlib import Path
from typing import Any

from bench.console import ROOT, chromium, run, served
from tests.fakes.lago import KEY, FakeLago

PICTURES = Path(__file__).parent / "pictures"
# The whole traces when they are beside the project, else the few lines that the tests keep.
SHARED = ROOT.parent / "shared" / "data"
TRACES = {"code": "AzureLLMInferenceTrace_code.csv", "conv": "AzureLLMInferenceTrace_conv.csv"}
WINDOW = "start=2023-11-16T18:15:00Z&end=2023-11-16T19:15:00Z&tz=UTC"


def import_traces(environment: dict[str, str]) -> None:
    """Import one hour of Azure's traces: times and token counts; the rest is unknown and stays so."""
    for name, file in TRACES.items():
        path = SHARED / file if (SHARED / file).exists() else ROOT / "tests" / "data" / f"azure_{name}_200.csv"
        columns = ("started_at=TIMESTAMP", "input_tokens=ContextTokens", "output_tokens=GeneratedTokens")
        maps = [word for column in columns for word in ("--map", column)]
        source = f"source=azure-llm-inference-2023-{name}"
        run(environment, "import", str(path), "--tz", "UTC", "--set", f"tags={name}", "--set", source, *maps)


def wait_for(driver: Any, selector: str, text: str = "") -> None:
    """Wait until the text stands in the page."""
    deadline = time.monotonic() + 30
    script = "return [...document.querySelectorAll(arguments[0])].some(e => e.textContent.includes(arguments[1]))"
    while not driver.execute_script(script, selector, text):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{text!r} never stood in {selector}")
        time.sleep(0.1)


def take(driver: Any, name: str) -> None:
    """Write a picture of what a large window shows."""
    time.sleep(0.5)  # fonts and the last frame
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    (PICTURES / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def main() -> None:
    """Serve, import, look, write."""
    sys.path.insert(0, str(ROOT))
    PICTURES.mkdir(exist_ok=True)
    lago = FakeLago()
    lago.add_customer("example")
    try:
        settings = {"OPS_LAGO_URL": lago.url, "OPS_LAGO_API_KEY": KEY, "OPS_LAGO_CUSTOMER": "example"}
        with served(**settings) as (url, environment):
            import_traces(environment)
            driver = chromium(width=1360, height=1300)
            try:
                driver.get(run(environment, "link"))
                driver.get(f"{url}/admin/llm/usage?{WINDOW}")
                wait_for(driver, ".oc-figure-value", "28,185" if SHARED.exists() else "400")
                wait_for(driver, ".main-svg")
                wait_for(driver, "tbody td", "19:14")
                take(driver, "usage")
                driver.get(f"{url}/admin/subscription/plan")
                wait_for(driver, ".oc-price")
                take(driver, "subscription")
                driver.get(f"{url}/admin/system/monitoring")
                wait_for(driver, ".oc-figure-value", "B/s")
                time.sleep(60)  # a minute of the machine, so that there is a line to see
                take(driver, "system")
            finally:
                driver.quit()
    finally:
        lago.close()


if __name__ == "__main__":
    main()
