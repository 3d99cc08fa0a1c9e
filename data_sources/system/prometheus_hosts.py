"""Which hosts Prometheus watches, how each of them is, and its newest figures.

`up` alone does not say it: a target may be down, may never have answered, may answer without node_exporter's figures,
or may no longer be a target at all. Each of these is another state, and none of them is a zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from ..result import Problem
from .prometheus_node import ABOUT_METRICS, MOUNT_METRICS, READ_METRICS, Replay, ReplaySampler, mounts, scrapes, step_s
from .prometheus_wire import MISPLACED, Answered, PrometheusClient, Series, any_of, quoted
from .types import HostRow

WHAT = "The hosts could not be read"
STALE_PERIODS = 3
NO_FIGURES = "It answers, but without node_exporter's figures"
UNSCRAPED = "Prometheus no longer scrapes it"
_LOOK_BACK = "1d"
# A host of which Prometheus has no scrape for so long, not even one that failed, is not scraped any more.
RECENT_S, _DAY_S = 600, 86_400
_USUAL_JOBS = "node|.*node[-_]exporter"  # so that a host that never answered is listed though it has no figures yet
_BATCH = 25  # hosts asked for at once: their answer stays around a megabyte
_DEFAULT_PERIOD_S = 60.0
_SCRAPES = 3.2  # how many periods are asked for: two scrapes make a rate, the third tells of a fall before


class Target(NamedTuple):
    """What tells one scraped host from all others."""

    job: str
    instance: str

    @property
    def selector(self) -> str:
        """Label matchers for this host."""
        return f"job={quoted(self.job)},instance={quoted(self.instance)}"


@dataclass(frozen=True, slots=True)
class Known:
    """One host as Prometheus knows it.

    Attributes:
        target: Its labels.
        row: Its line of the table, without figures.
        ups: When it was scraped in the last minutes (epoch milliseconds), and whether it answered.
    """

    target: Target
    row: HostRow
    ups: tuple[tuple[int, float], ...] = ()


def find_hosts(client: PrometheusClient, now_s: float) -> tuple[list[Known], tuple[str, ...]] | Problem:
    """Every host with its state.

    Args:
        client: Prometheus.
        now_s: The time now, in epoch seconds.

    Returns:
        The hosts, and Prometheus's warnings; or why there is no list.
    """
    which = any_of(("node_uname_info", "node_load1"))
    query = f"group by (job, instance, nodename) (last_over_time({{__name__=~{which}}}[{_LOOK_BACK}]))"
    named = client.instant(query, now_s, what=WHAT)
    if isinstance(named, Problem):
        return named
    names: dict[Target, str | None] = {}
    for series in named.series:
        target = _target(series.labels)
        names[target] = series.labels.get("nodename") or names.get(target)
    jobs = any_of(sorted({target.job for target in names}))
    pattern = f'"{_USUAL_JOBS}|' + jobs[1:]
    recent = client.raw(f'{{__name__=~"up|node_load1",job=~{pattern}}}', now_s, RECENT_S, what=WHAT)
    if isinstance(recent, Problem):
        return recent
    ups, loads = _by_target(recent.series, "up"), _by_target(recent.series, "node_load1")
    misplaced = {_target(series.labels) for series in recent.series if series.misplaced}
    targets = sorted({*names, *ups})
    silent = [target for target in targets if not any(value for _, value in ups.get(target, loads.get(target, ())))]
    seen = _last_seen(client, silent, now_s)
    if isinstance(seen, Problem):
        return seen
    unique = _ids(targets)
    found = []
    for target in targets:
        row = _row(target, unique[target], names, ups, loads, seen, now_s)
        if row.state == "no data" and target in misplaced:
            row = replace(row, reason=f"Prometheus sent samples of it {MISPLACED}")
        found.append(Known(target, row, ups.get(target, ())))
    return found, (*named.notes, *recent.notes)


def _target(labels: Mapping[str, str]) -> Target:
    return Target(labels.get("job", ""), labels.get("instance", ""))


def _by_target(series: Iterable[Series], metric: str) -> dict[Target, tuple[tuple[int, float], ...]]:
    return {_target(each.labels): each.points for each in series if each.labels.get("__name__") == metric}


def _ids(targets: Sequence[Target]) -> dict[Target, str]:
    """What each is called in an address: its instance, with its job where two jobs scrape the same one."""
    count: dict[str, int] = {}
    for target in targets:
        count[target.instance] = count.get(target.instance, 0) + 1
    return {each: each.instance if count[each.instance] == 1 else f"{each.job}/{each.instance}" for each in targets}


def _last_seen(client: PrometheusClient, silent: Sequence[Target], now_s: float) -> dict[Target, float] | Problem:
    """When those that do not answer now answered last, to a minute; 0 for never in the time that is looked back."""
    found: dict[Target, float] = {}
    for metric, times in (("up", "timestamp({0}) * {0}"), ("node_load1", "timestamp({0})")):
        asked = [target for target in silent if found.get(target) is None]
        if not asked:
            break
        inner = times.format(
            f"{metric}{{job=~{any_of(sorted({t.job for t in asked}))},"
            f"instance=~{any_of(sorted({t.instance for t in asked}))}}}"
        )
        answer = client.instant(f"max_over_time(({inner})[{_LOOK_BACK}:1m])", now_s, what=WHAT)
        if isinstance(answer, Problem):
            return answer
        for series in answer.series:
            seen_s = series.points[-1][1] if series.points else None
            # 0 is never; any other time is one of those that were looked back on, or none
            if seen_s == 0 or (seen_s is not None and now_s - 2 * _DAY_S < seen_s <= now_s):
                found.setdefault(_target(series.labels), seen_s)
    return found


def _row(
    target: Target,
    host_id: str,
    names: Mapping[Target, str | None],
    ups: Mapping[Target, tuple[tuple[int, float], ...]],
    loads: Mapping[Target, tuple[tuple[int, float], ...]],
    seen: Mapping[Target, float],
    now_s: float,
) -> HostRow:
    """The host's line with its state, before its figures are read."""
    points = ups.get(target) or tuple((at_ms, 1.0) for at_ms, _ in loads.get(target, ()))
    period_s = step_s([at_ms for at_ms, _ in points])
    good = [at_ms / 1000 for at_ms, value in points if value]
    seen_s = good[-1] if good else seen.get(target) or None
    row = HostRow(
        host_id,
        names.get(target) or target.instance,
        target.instance,
        target.job,
        seen_at=None if seen_s is None else datetime.fromtimestamp(seen_s, UTC),
        period_s=period_s,
    )
    if not points:
        return replace(row, state="no data", reason=UNSCRAPED)
    if not points[-1][1]:
        if seen_s is None:
            return replace(row, state="never seen", reason="No scrape of it succeeded in the last 24 hours")
        return replace(row, state="down", reason="The last scrape of it failed")
    age_s = now_s - points[-1][0] / 1000
    if age_s > STALE_PERIODS * (period_s or _DEFAULT_PERIOD_S):
        return replace(row, state="no data", reason=f"Prometheus has not scraped it for {age_s:.0f} s")
    if not loads.get(target) and target not in names:
        return replace(row, state="no data", reason=NO_FIGURES)
    return row


def read_figures(
    client: PrometheusClient, known: Sequence[Known], now_s: float
) -> tuple[list[HostRow], tuple[str, ...]] | Problem:
    """The newest figures of every host that is up, by the sampler's rules.

    Args:
        client: Prometheus.
        known: The hosts, as `find_hosts` told.
        now_s: The time now, in epoch seconds.

    Returns:
        The lines in the order given, and Prometheus's warnings; or why there are none.
    """
    rows = {each.target: each.row for each in known}
    up = [each for each in known if each.row.state == "up"]
    notes: list[str] = []
    for start in range(0, len(up), _BATCH):
        batch = up[start : start + _BATCH]
        answer = _newest(client, batch, now_s)
        if isinstance(answer, Problem):
            return answer
        notes += answer.notes
        parts: dict[Target, list[Series]] = {}
        for series in answer.series:
            parts.setdefault(_target(series.labels), []).append(series)
        for each in batch:
            rows[each.target] = _with_figures(each, parts.get(each.target, []))
    return [rows[each.target] for each in known], tuple(dict.fromkeys(notes))


def _newest(client: PrometheusClient, batch: Sequence[Known], now_s: float) -> Answered | Problem:
    longest_s = max(each.row.period_s or _DEFAULT_PERIOD_S for each in batch)
    metrics = any_of(("up", *READ_METRICS, *MOUNT_METRICS, *ABOUT_METRICS))
    jobs = any_of(sorted({each.target.job for each in batch}))
    instances = any_of(sorted({each.target.instance for each in batch}))
    selector = f"{{__name__=~{metrics},job=~{jobs},instance=~{instances}}}"
    return client.raw(selector, now_s, round(_SCRAPES * longest_s), what=WHAT)


def _with_figures(known: Known, series: Sequence[Series]) -> HostRow:
    row, found = known.row, scrapes(series)
    if not any(set(scrape.values) - {"up"} for scrape in found):
        return replace(row, state="no data", reason=NO_FIGURES)
    replay = Replay(found[-1])
    sampler = ReplaySampler(replay, period_s=row.period_s or _DEFAULT_PERIOD_S, keep=len(found), seq=0)
    sample = [replay.tick(sampler, scrape) for scrape in found][-1]
    root = next((mount for mount in mounts(found[-1]) if mount.path == "/"), None)
    return replace(row, sample=sample, root=root)
