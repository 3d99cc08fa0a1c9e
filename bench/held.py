"""What an open page holds on to: read while it rests, and whether that grows.

A reading in the midst of a drawing counts what is about to be let go. So the page stands still when it is read, garbage
is collected twice (what the first collection ends only the second one frees), and nothing is asked through the driver's
scripts: chromedriver keeps the result of each one in the page, which then grows by being watched.

What the engine makes of the scripts is in its heap, too: machine code comes for as long as functions turn hot, and
bytecode that rested for long is let go, half a megabyte up and down over some hundred ticks. It is not taken out here:
without the optimising compilers (`--no-turbofan --no-maglev`) an old drawing is held on to now and then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
STEEPEST = 0.02  # of the first reading: the rise of the fitted line
HIGHEST = 1.05  # times the first reading: any one


@dataclass(frozen=True)
class Reading:
    """One reading.

    Attributes:
        ticks: Live answers until then.
        heap: Bytes of JavaScript in use.
        label_nodes: DOM nodes of the labels of axes.
        nodes: All other DOM nodes, those that are shown nowhere any more too.
        listeners: Event listeners.
    """

    ticks: int
    heap: int
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
    heap = driver.execute_cdp_cmd("Runtime.getHeapUsage", {})["usedSize"]
    dom = driver.execute_cdp_cmd("Memory.getDOMCounters", {})
    return Reading(ticks, int(heap), label_nodes, dom["nodes"] - label_nodes, dom["jsEventListeners"])


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
    """What is to be said of them: `flat`, `grows: heap` or `too few ticks`.

    Args:
        readings: In the order in which they were made.
        ticks: Over how many ticks they should reach.
    """
    if len(readings) < 2 or readings[-1].ticks - readings[0].ticks < ticks:
        return "too few ticks"
    names = ("heap", "nodes", "listeners")
    # What rises and is let go all at once has a line that may fall: no single reading may stand out, either.
    grown = [name for name in names if growth(readings, name) > STEEPEST or highest(readings, name) > HIGHEST]
    return f"grows: {', '.join(grown)}" if grown else "flat"
