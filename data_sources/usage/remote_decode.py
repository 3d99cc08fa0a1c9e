"""From the JSON of a usage API to the figures of `types`: our own API's shapes, and the few of the original console.

A field that was not sent is None with the reason `NOT_SENT`; one of a wrong type raises `WrongFieldError`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from data_sources.usage.costs import KINDS, CostBasis, CostPart
from data_sources.usage.figures import cost_percentage, percentage
from data_sources.usage.remote_read import Node, WrongFieldError
from data_sources.usage.types import (
    LISTS,
    NOT_SENT,
    Breakdown,
    Coverage,
    Dimension,
    Figures,
    Group,
    Growth,
    LastEvent,
    Latency,
    Summary,
    Sums,
    Tokens,
    Totals,
    Unpriced,
    UnpricedModel,
    Version,
    Window,
)

# The colour slot of a value that came without one, from its dimension and name.
HueOf: TypeAlias = Callable[[Dimension, str], int | None]

NO_REASON = "The usage API gave no reason."
NO_CHANGE = "The usage API did not send how it changed."
ONE_TOTAL = "The usage API sends one total of tokens, not its parts."
# What of a summary's reasons is not about its figures.
_OTHERS = ("growth.", "disputed_calls", "cost_basis")
_RESOLUTION_S = 60  # a window that is still open goes on while it is answered
_MOST_PERCENT = 100.01  # shares may be rounded
_UNKNOWN = Tokens(None, None, None, None, None)
_TOKENS = tuple(field.name for field in fields(Tokens))
_COUNTS = tuple(field.name for field in fields(Totals))[:9]


def check_currency(root: Node) -> None:
    """See that amounts are US dollars, as every figure of usage is.

    Raises:
        WrongFieldError: They are not.
    """
    if root.text("currency") not in (None, "USD"):
        raise root.wrong("currency", "USD")


def tokens(node: Node, name: str = "tokens") -> Tokens:
    """Token counts; an original-style total cannot be told apart into its parts, which stay unknown."""
    if node.is_whole(name):
        node.whole(name)
        return _UNKNOWN
    found = node.node(name)
    return _UNKNOWN if found is None else Tokens(*(found.whole(part) for part in _TOKENS))


def coverage(node: Node | None) -> Coverage | None:
    """For how long the other side listened, None where it does not say all of it."""
    if node is None or not node.has("gaps"):
        return None
    window_s, collected_s = node.number("window_seconds"), node.number("collected_seconds")
    if window_s is None or collected_s is None:
        return None
    if collected_s > window_s + _RESOLUTION_S:
        raise node.wrong("collected_seconds", "no more than window_seconds")
    gaps = tuple((gap.must_time("start"), gap.must_time("end")) for gap in node.nodes("gaps"))
    return Coverage(window_s, collected_s, gaps, node.time("collecting_since"))


def cost_basis(node: Node | None) -> CostBasis | None:
    """Whose the costs are, None where the other side does not say."""
    if node is None:
        return None
    parts = []
    for part in node.nodes("sources"):
        kind, cost = part.text("source"), part.money("cost")
        if kind not in KINDS:
            raise part.wrong("source", f"one of {', '.join(KINDS)}")
        if cost is None:
            raise part.wrong("cost", "an amount")
        version = part.text("version")
        parts.append(CostPart(kind, version, part.must_whole("attempts"), part.must_whole("calls"), cost))
    return CostBasis(tuple(parts), node.must_whole("disputed_calls"), node.must_whole("disputed_attempts"))


def figures(node: Node) -> Figures:
    """The figures of one window, each None with its reason."""
    latency = node.node("latency_ms") or Node({})
    reports = node.node("reports")
    found = Figures(
        total_calls=node.whole("total_calls"),
        total_attempts=node.whole("total_attempts"),
        failed_calls=node.whole("failed_calls"),
        unknown_calls=node.whole("unknown_calls"),
        priced_calls=node.whole("priced_calls"),
        unpriced_calls=node.whole("unpriced_calls"),
        unmetered_calls=node.whole("unmetered_calls"),
        unpriced_attempts=node.whole("unpriced_attempts"),
        total_cost=node.money("total_cost"),
        avg_cost_per_call=node.money("avg_cost_per_call"),
        error_rate=node.number("error_rate", most=1),
        tokens=tokens(node),
        reports=_UNKNOWN if reports is None else tokens(node, "reports"),
        latency=Latency(latency.whole("p50"), latency.whole("p95"), latency.whole("p99"), latency.whole("calls")),
        reasons=node.reasons(),
    )
    return _explained(found, node)


def _explained(found: Figures, node: Node) -> Figures:
    """The same figures with a sentence for every None that came without one."""
    reasons = {name: why for name, why in found.reasons.items() if not name.startswith(_OTHERS)}

    def explain(inside: Node | None, name: str, value: object, prefix: str = "", unsent: str = NOT_SENT) -> None:
        if value is None and prefix + name not in reasons:
            reasons[prefix + name] = NO_REASON if inside is not None and inside.has(name) else unsent

    for name in ("total_calls", "total_attempts", "failed_calls", "unknown_calls", "priced_calls", "unpriced_calls"):
        explain(node, name, getattr(found, name))
    for name in ("unmetered_calls", "unpriced_attempts", "total_cost", "avg_cost_per_call", "error_rate"):
        explain(node, name, getattr(found, name))
    whole = node.is_whole("tokens")
    counted = None if whole else node.node("tokens")
    for name in _TOKENS:
        explain(counted, name, getattr(found.tokens, name), "tokens.", ONE_TOTAL if whole else NOT_SENT)
        explain(node.node("reports"), name, getattr(found.reports, name), "reports.")
    for name in ("p50", "p95", "p99", "calls"):
        explain(node.node("latency_ms"), name, getattr(found.latency, name), "latency_ms.")
    values = {field.name: getattr(found, field.name) for field in fields(Figures)}
    return Figures(**(values | {"reasons": reasons}))


def growth(root: Node) -> Growth:
    """The change against the period before, in percent."""
    node = root.node("growth")
    names = ("calls", "cost", "avg_cost", "input_tokens", "output_tokens", "latency_p95")
    values = {name: None if node is None else node.number(name, negative=True) for name in names}
    reasons = {name.removeprefix("growth."): why for name, why in root.reasons().items() if name.startswith("growth.")}
    for name in names:
        if values[name] is None and name not in reasons:
            reasons[name] = NO_CHANGE
    return Growth(**values, reasons=reasons)


def summary(root: Node, window: Window, previous: Window) -> Summary:
    """All figures of a window beside those of the period before.

    Args:
        root: The answer.
        window: The answer's window.
        previous: The window before, as we understand it, where the answer does not name its own.
    """
    check_currency(root)
    before = root.node("previous") or Node({}, "previous")
    check_currency(before)
    return Summary(
        window=window,
        figures=figures(root),
        previous_window=window_of(before, previous) or replace(previous, confirmed=False),
        previous=figures(before),
        growth=growth(root),
        coverage=coverage(root.node("coverage")),
        previous_coverage=coverage(before.node("coverage")),
        data_as_of=root.time("data_as_of"),
        basis=cost_basis(root.node("cost_basis")),
        last_events=_last_events(root),
    )


def _last_events(root: Node) -> tuple[LastEvent, ...]:
    found = []
    for node in root.nodes("last_events") if root.has("last_events") else ():
        source, started_at = node.text("source"), node.time("started_at")
        if source is None or started_at is None:
            raise node.wrong("source" if source is None else "started_at", "a value")
        found.append(LastEvent(source, started_at))
    return tuple(found)


def window_of(node: Node, asked: Window) -> Window | None:
    """The window that an answer says it is for, None where it does not say all of it."""
    echo = node.node("window")
    if echo is None:
        return None
    start, end, tz = echo.time("start"), echo.time("end"), echo.text("tz")
    if start is None or end is None or tz is None:
        return None
    if end < start:
        raise echo.wrong("end", "a time after start")
    if tz != asked.tz and not known_zone(tz):
        raise echo.wrong("tz", "an IANA time zone")
    return Window(start, end, tz, asked.name, confirmed=echo.flag("confirmed") is not False)


def known_zone(tz: str) -> bool:
    """Whether a zone is known here, so that its times can be written."""
    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def totals(node: Node) -> Totals:
    """Sums of some attempts: `Sums` where every count was sent."""
    counts = [node.whole(name) for name in _COUNTS]
    cost, counted, reports = node.money("cost"), tokens(node), tokens(node, "reports")
    if counts[1] is not None and not counts[1] and not cost:
        cost, counted = None, _UNKNOWN  # without an attempt there is nothing to sum; `measured_cost` makes it 0
    by_name = dict(zip(_COUNTS, counts, strict=True))
    known = {name: count for name, count in by_name.items() if count is not None}
    if len(known) == len(_COUNTS):
        return Sums(**known, cost=cost, tokens=counted, reports=reports)
    return Totals(**by_name, cost=cost, tokens=counted, reports=reports)


def each_once(nodes: Sequence[Node], key: str) -> Sequence[Node]:
    """The same rows, seen to be of a value each: which of two is right, or whether they add up, nobody can know.

    Raises:
        WrongFieldError: Two are of the same.
    """
    seen: set[str | None] = set()
    for node in nodes:
        name = node.text(key)
        if name in seen:
            raise node.wrong(key, "a value that no row before it has")
        seen.add(name)
    return nodes


def groups(root: Node, name: str, dimension: Dimension, hue_of: HueOf) -> tuple[Group, ...]:
    """The values of a dimension that are listed."""
    whole = whole_of(root)
    return tuple(_group(node, dimension, hue_of, whole) for node in each_once(root.nodes(name), LISTS[dimension][1]))


def _group(node: Node, dimension: Dimension, hue_of: HueOf, whole: Totals) -> Group:
    key = LISTS[dimension][1]
    if not node.has(key):
        raise node.wrong(key, "text")
    name = node.text(key)
    hue = node.whole("hue")
    if not node.has("hue") and name is not None:
        hue = hue_of(dimension, name)
    return _shared(name, hue, node, whole)


def rest(root: Node) -> Group | None:
    """What a limit left over."""
    node = root.node("other")
    return None if node is None else _shared(None, None, node, whole_of(root))


def _shared(name: str | None, hue: int | None, node: Node, whole: Totals) -> Group:
    """A row with its shares, computed where they were not sent and the whole was.

    The sum of the rows is no whole: the list may be cut.
    """
    sums = totals(node)
    calls, cost = node.number("percentage", most=_MOST_PERCENT), node.number("cost_percentage", most=_MOST_PERCENT)
    if not node.has("percentage") and sums.calls is not None and whole.calls is not None and sums.calls <= whole.calls:
        calls = percentage(sums.calls, whole.calls)
    part, known = sums.measured_cost, whole.measured_cost
    if not node.has("cost_percentage") and part is not None and known is not None and part <= known:
        cost = cost_percentage(part, known)
    return Group(name, hue, sums, calls, cost)


def whole_of(root: Node) -> Totals:
    """The sum of all groups, listed or not; every part None where it was not sent."""
    return totals(root.node("total") or Node({}, "total"))


def breakdown(root: Node, dimension: Dimension, window: Window, hue_of: HueOf) -> Breakdown:
    """A window by the values of one dimension."""
    check_currency(root)
    return Breakdown(
        dimension=dimension,
        window=window,
        groups=groups(root, LISTS[dimension][0], dimension, hue_of),
        other=rest(root),
        other_groups=root.whole("other_groups"),
        total_groups=root.whole("total_groups"),
        total=whole_of(root),
        coverage=coverage(root.node("coverage")),
        data_as_of=root.time("data_as_of"),
        basis=cost_basis(root.node("cost_basis")),
    )


def unpriced(root: Node, window: Window) -> Unpriced:
    """What of a window has no price."""
    return Unpriced(
        window=window,
        models=tuple(
            UnpricedModel(
                provider=node.text("provider"),
                model=node.text("model"),
                calls=node.must_whole("calls"),
                attempts=node.must_whole("attempts"),
                tokens=tokens(node),
                why=node.text("why"),
                price_lines=node.text("price_lines"),
            )
            for node in root.nodes("models")
        ),
        total_models=root.must_whole("total_models"),
        calls=root.whole("unpriced_calls"),
        attempts=root.whole("unpriced_attempts"),
        total=whole_of(root),
        coverage=coverage(root.node("coverage")),
        data_as_of=root.time("data_as_of"),
    )


def whole_coverage(root: Node) -> Coverage:
    """The answer of `coverage`, in which nothing may be missing."""
    found = coverage(root)
    if found is None:
        for name in ("window_seconds", "collected_seconds", "gaps"):
            if root.number(name) is None if name != "gaps" else not root.has(name):
                raise root.wrong(name, "a list" if name == "gaps" else "a number")
        raise WrongFieldError("The usage API did not say when it collected.")
    return found


def version(root: Node) -> Version:
    """Whether anything changed."""
    return Version(root.must_whole("version"), root.time("last_event_at"), root.flag("ever_collected"))
