"""What an open page holds on to: read while it rests, and whether that grows.

A reading in the midst of a drawing counts what is about to be let go. So the page stands still when it is read, garbage
is collected twice (what the first collection ends only the second one frees), and nothing is asked through the driver's
scripts: chromedriver keeps the result of each one in the page, which then grows by being watched.

What the engine makes of the scripts is in its heap, too, and is half of it: machine code comes for as long as functions
turn hot and is let go when it rested, a megabyte up and down over some hundred ticks. So each reading is a snapshot of
the heap, parted by what the engine says each thing is: code stands in a column of its own, and the verdict is of the
rest, which is all that the page's scripts made (objects, arrays, texts, functions, numbers).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import requests
import websocket

# Two drawings under way end within two frames; what they left is cleared away in an idle moment.
REST = """new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => requestIdleCallback(
    () => setTimeout(() => done(true), 500), {timeout: 5000}))))"""
# How many labels the axes have is a matter of the figures that they measure: each is a group, words and a grid line.
LABELS = """(() => {
  let found = document.querySelectorAll(".xgrid, .ygrid").length;
  document.querySelectorAll(".xtick, .ytick").forEach(label => {
    const inside = document.createTreeWalker(label);
    do found += 1; while (inside.nextNode());
  });
  return found;
})()"""
# The engine's own counter of nodes counts those too that are let go and not yet swept: a thousand, now and then.
ATTACHED = """(() => {
  const all = document.createTreeWalker(document);
  let found = 1;
  while (all.nextNode()) found += 1;
  return found;
})()"""
DETACHED = 2  # of a node that is in no document and held by a script
# Made by the engine, not by the page's scripts; what is native is not in the JavaScript heap at all.
CODE, NATIVE = "code", "native"
SNAPSHOT_S = 120.0
STEEPEST = 0.02  # of the first reading: the rise of the fitted line
HIGHEST = 1.05  # times the first reading: any one


@dataclass(frozen=True)
class Reading:
    """One reading.

    Attributes:
        ticks: Live answers until then.
        data: Bytes of all that scripts made and still hold.
        code: Bytes of what the engine made of the scripts.
        label_nodes: DOM nodes of the labels of axes.
        nodes: All other DOM nodes, those too that are shown nowhere any more and still held.
        listeners: Event listeners.
    """

    ticks: int
    data: int
    code: int
    label_nodes: int
    nodes: int
    listeners: int


def evaluate(driver: Any, expression: str) -> Any:
    """The value of an expression in the page, of which nothing is kept there."""
    asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
    found = driver.execute_cdp_cmd("Runtime.evaluate", asked)
    if "exceptionDetails" in found:
        raise RuntimeError(str(found["exceptionDetails"]))
    return found["result"].get("value")


def read(driver: Any, ticks: int) -> Reading:
    """Read a page that does nothing at the moment."""
    evaluate(driver, REST)
    label_nodes = evaluate(driver, LABELS)
    for _ in range(2):
        driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    found = snapshot(driver)
    held = held_bytes(found)
    code = held.pop(CODE, 0)
    nodes = evaluate(driver, ATTACHED) - label_nodes + detached(found)
    listeners = driver.execute_cdp_cmd("Memory.getDOMCounters", {})["jsEventListeners"]
    return Reading(ticks, sum(held.values()), code, label_nodes, nodes, listeners)


def snapshot(driver: Any) -> dict[str, Any]:
    """A snapshot of the page's heap. It comes in events, which the driver's own protocol has no place for."""
    address = driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
    targets = requests.get(f"http://{address}/json/list", timeout=SNAPSHOT_S).json()
    page = next(each for each in targets if each["type"] == "page")
    parts = []
    with closing(
        websocket.create_connection(page["webSocketDebuggerUrl"], suppress_origin=True, timeout=SNAPSHOT_S)
    ) as devtools:
        devtools.send(json.dumps({"id": 1, "method": "HeapProfiler.takeHeapSnapshot", "params": {}}))
        while (told := json.loads(devtools.recv())).get("id") != 1:
            if told["method"] == "HeapProfiler.addHeapSnapshotChunk":
                parts.append(told["params"]["chunk"])
    if "error" in told:
        raise RuntimeError(str(told["error"]))
    found: dict[str, Any] = json.loads("".join(parts))
    return found


def held_bytes(snapshot: dict[str, Any]) -> Counter[str]:
    """Bytes of the JavaScript heap by what the engine calls each thing: "object", "string", "code" and so on."""
    meta, nodes = snapshot["snapshot"]["meta"], snapshot["nodes"]
    fields, kinds = meta["node_fields"], meta["node_types"][meta["node_fields"].index("type")]
    found: Counter[str] = Counter()
    each = range(0, len(nodes), len(fields))
    for kind, size in zip(
        (nodes[at + fields.index("type")] for at in each),
        (nodes[at + fields.index("self_size")] for at in each),
        strict=True,
    ):
        found[kinds[kind]] += size
    del found[NATIVE]
    return found


def detached(snapshot: dict[str, Any]) -> int:
    """How many DOM nodes are in no document and still held by a script."""
    fields, nodes = snapshot["snapshot"]["meta"]["node_fields"], snapshot["nodes"]
    return sum(nodes[at] == DETACHED for at in range(fields.index("detachedness"), len(nodes), len(fields)))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The least-squares slope of y over x.

    Raises:
        ValueError: Fewer than two different x.
    """
    x_mean, y_mean = (sum(each) / len(points) for each in zip(*points, strict=True))
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    if not spread:
        raise ValueError("a slope needs two points")
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / spread


def growth(readings: Sequence[Reading], name: str) -> float:
    """By which share of the first reading the fitted line rises from the first to the last: 0.02 is 2 %."""
    ticks = readings[-1].ticks - readings[0].ticks
    return slope([(each.ticks, getattr(each, name)) for each in readings]) * ticks / float(getattr(readings[0], name))


def highest(readings: Sequence[Reading], name: str) -> float:
    """The highest reading, in times the first."""
    return float(max(getattr(each, name) for each in readings) / getattr(readings[0], name))


def verdict(readings: Sequence[Reading], ticks: int) -> str:
    """What is to be said of them: `flat`, `grows: data` or `too few ticks`.

    Args:
        readings: In the order in which they were made.
        ticks: Over how many ticks they should reach.
    """
    if len(readings) < 2 or readings[-1].ticks - readings[0].ticks < ticks:
        return "too few ticks"
    names = ("data", "nodes", "listeners")
    # What rises and is let go all at once has a line that may fall: no single reading may stand out, either.
    grown = [name for name in names if growth(readings, name) > STEEPEST or highest(readings, name) > HIGHEST]
    return f"grows: {', '.join(grown)}" if grown else "flat"
