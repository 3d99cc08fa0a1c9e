"""The machine's figures for programs and for the live page. Thin: parse, ask the source, encode.

Rates are bytes per second, decimal. Unknown is null with its reason beside it; once the newest sample is older than
three periods every rate is null too, because nobody knows what flows now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest

from data_sources.result import Failed, NotConfigured, Ready, Result
from data_sources.system.source import STALE_PERIODS, SystemSource
from data_sources.system.types import Gap, Live, Mount, NetworkNow, Rate, Sample
from routes.gate import needs
from routes.sources import Sources
from routes.system_beside import PARAMETERS, beside
from routes.system_history import series_names
from routes.system_series import encode_series
from routes.wire import answer, query_params

MAX_WINDOW_S = 3600
_CORES_SHOWN = 8  # more cores would send more numbers than a screen has room for
_KEPT_TICKS = 64  # cursors and interfaces that viewers may ask for within one tick
_MOUNTS_EVERY = 5  # file systems are asked every 10 s


def blueprint(sources: Sources) -> Blueprint:
    """The routes under `/api/v1/system`."""
    made = Blueprint("system_api", __name__)
    shared = SharedTick()

    def system() -> SystemSource:
        source: SystemSource = sources.system
        return source

    @made.get("/api/v1/system/network")
    @needs("system:read")
    def network() -> Response:
        """The newest rates: total of the default route's interfaces, and each interface."""
        query_params(())
        result = system().network()
        return answer(result, lambda now: encode_network(now, stale=_stale(result)))

    @made.get("/api/v1/system/live")
    @needs("system:read")
    def live() -> Response:
        """What is new since a cursor: everything of the page and `also` more series, or those of `series` alone.

        What is asked for beside it (`past`, `processes`) comes in the same answer.
        """
        source = system()
        again = shared.again(request.query_string, source)
        if again is not None:
            return again
        given = query_params(("since", "interface", "window", "series", "also", "host", *PARAMETERS))
        since = _number(given, "since", 0, 2**53)
        window_s = _number(given, "window", 10, MAX_WINDOW_S)
        interface = given["interface"][-1] if "interface" in given else None
        names = Named(
            series_names(given["series"][-1]) if "series" in given else None,
            series_names(given["also"][-1]) if "also" in given else (),
        )
        if "host" in given:
            other = sources.host(given["host"][-1])
            if isinstance(other, Failed | NotConfigured):
                return answer(other, lambda _: None)
            told = other.live(since, interface, window_s or 300)
            more = beside(given, other) | _trouble(told)
            return answer(told, lambda value: _whole(value, names, more))
        if source.sampler.on_tick is None:
            source.sampler.on_tick = lambda: shared.warm(source)
        result = source.live(since, interface, 300 if window_s is None else window_s)
        if not isinstance(result, Ready) or result.stale is not None:
            return answer(result, lambda value: _whole(value, names, beside(given, source)))
        body = shared.body(result.value, since, names)
        more = beside(given, source)
        if more:
            return _tick_response(result.value.age_s, body[:-1] + b"," + msgspec.json.encode(more)[1:])
        return shared.first(request.query_string, result.value, body)

    return made


@dataclass(frozen=True, slots=True)
class Named:
    """Which series a viewer names: `alone` instead of everything of the page, `also` beside it."""

    alone: tuple[str, ...] | None = None
    also: tuple[str, ...] = ()


class SharedTick:
    """Encodes each tick once for all viewers: they ask with the same cursor, and only the age differs."""

    def __init__(self) -> None:
        self._seq = -1
        self._asked: tuple[int, dict[bytes, bytes]] = (-1, {})
        self._kept: dict[tuple[int, int | None, str | None, Named], bytes] = {}

    def again(self, question: bytes, source: SystemSource) -> Response | None:
        """The answer to a question that was answered within this tick; None when it was not, or the tick is old.

        Args:
            question: The query string, as another viewer sent it before.
            source: This machine.
        """
        seq, asked = self._asked
        rest = asked.get(question)
        if rest is None or seq != source.sampler.seq:
            return None
        age_s = source.sampler.age_s()
        if age_s is None or age_s > STALE_PERIODS * source.sampler.period_s:
            return None
        return _tick_response(age_s, rest)

    def first(self, question: bytes, live: Live, rest: bytes) -> Response:
        """Answer a question, and keep the answer for those who ask the same within this tick."""
        if live.seq > self._asked[0]:
            self._asked = (live.seq, {})
        seq, asked = self._asked
        # Another tick may have come meanwhile: this answer is not one of that.
        if seq == live.seq and not live.reset and len(asked) < _KEPT_TICKS:
            asked[question] = rest
        return _tick_response(live.age_s, rest)

    def warm(self, source: SystemSource) -> None:
        """Encode a tick as soon as it is there, for those who asked for the one before."""
        before = self._seq
        for interface, names in {(interface, names) for _, _, interface, names in self._kept}:
            result = source.live(before, interface)
            if isinstance(result, Ready) and result.stale is None and not result.value.reset:
                self.body(result.value, before, names)

    def body(self, live: Live, since: int | None, names: Named | None = None) -> bytes:
        """The answer as JSON, without its age at the beginning."""
        if live.seq != self._seq:
            self._seq, self._kept = live.seq, {}
        kept = self._kept  # the dictionary of this tick, whatever another thread begins meanwhile
        names = names or Named()
        key = (live.seq, since, live.interface, names)
        rest = kept.get(key)
        if rest is None:
            rest = msgspec.json.encode(_encode(live, names))[1:]
            if not live.reset and len(kept) < _KEPT_TICKS:
                kept[key] = rest
        return rest


def _tick_response(age_s: float | None, rest: bytes) -> Response:
    age = b"null" if age_s is None else b"%.3f" % age_s
    made = Response(b'{"age_s":%s,%s' % (age, rest), mimetype="application/json")
    made.headers["Cache-Control"] = "no-store"
    return made


def _number(given: dict[str, list[str]], name: str, least: int, most: int) -> int | None:
    if name not in given:
        return None
    text = given[name][-1]
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise BadRequest(f"{name} must be a whole number from {least} to {most}.")
    return int(text)


def _stale(result: Result[NetworkNow]) -> bool:
    return isinstance(result, Ready) and result.stale is not None


def encode_network(now: NetworkNow, *, stale: bool) -> dict[str, Any]:
    """The answer of `/api/v1/system/network`.

    Args:
        now: The newest rates.
        stale: Whether they are older than three periods.
    """
    sample = now.sample
    rates = sample.rates if sample else {}
    total = sample.total if sample else Rate(None, None, Gap.MEASURING)
    chosen = sample.choice.names if sample else ()
    return {
        **_rate(total, stale),
        "interfaces": [
            {
                "name": info.name,
                "kind": info.kind,
                "in_total": info.name in chosen,
                **_rate(rates[info.name], stale),
            }
            for info in now.infos.values()
            if info.name in rates
        ],
        "total_of": list(chosen),
        "total_rule": sample.choice.rule if sample else None,
        "scope": now.facts.scope,
        "sampled_at": _iso(sample),
        "age_s": _rounded(now.age_s, 3),
        "interval_s": _rounded(sample.interval_s, 6) if sample else None,
        "period_s": now.period_s,
        "seq": now.seq,
    }


def _rate(rate: Rate, stale: bool) -> dict[str, Any]:
    if stale:
        rate = Rate(None, None, Gap.STALE)
    return {"bytes_recv_per_sec": rate.first, "bytes_sent_per_sec": rate.second, "reason": rate.reason}


def _whole(live: Live, names: Named, more: dict[str, Any]) -> dict[str, Any]:
    # by msgspec and back: it writes NaN, which stands for unknown, as null
    return {**_encode(live, names), "age_s": _rounded(live.age_s, 3), **msgspec.json.decode(msgspec.json.encode(more))}


def _encode(live: Live, names: Named) -> dict[str, Any]:
    if names.alone is None:
        return _with(encode_live(live), live, names.also) if names.also else encode_live(live)
    body = encode_series(live, names.alone) | _down(live)
    if live.reset or live.new_facts:
        body["about"] = _about(live, live.points[-1] if live.points else None)
    return body


def _with(body: dict[str, Any], live: Live, names: tuple[str, ...]) -> dict[str, Any]:
    """Everything of the page and more series; every interface's errors and drops too if they are named."""
    more = encode_series(live, names)
    body["series"] = more["series"]
    body["gaps"] = {**more["gaps"], **body.get("gaps", {})}
    if live.points and any(name.startswith("net_err") for name in names):
        faults = live.points[-1].faults
        body["now"]["faults"] = {
            name: [round(each.err_in + each.err_out, 2), round(each.drop_in + each.drop_out, 2)]
            for name, each in faults.items()
        }
    return body


def encode_live(live: Live) -> dict[str, Any]:
    """The answer of `/api/v1/system/live`: columns of the new points, the newest state, and what rarely changes.

    `gaps` holds, by series and index of the point, why there is no figure. The age is added by the view.
    """
    points = live.points
    newest = points[-1] if points else None
    body: dict[str, Any] = {
        "seq": live.seq,
        "reset": live.reset,
        "period_s": live.period_s,
        "t": [int(point.at.timestamp() * 1000) for point in points],
    }
    body |= _down(live)
    if points:
        series = [_series(point, live.interface) for point in points]
        body |= _columns(points, series)
    if newest is not None:
        body["now"] = _now(newest, series[-1])
    if live.reset or live.new_facts or any(point.seq % _MOUNTS_EVERY == 0 for point in points):
        body["mounts"] = [_mount(mount) for mount in live.mounts]
    if live.reset or live.new_facts:
        body["about"] = _about(live, newest)
    return body


def _trouble(told: Result[Live]) -> dict[str, Any]:
    """Why another host's figures are old, where that is not the host's own doing."""
    if not isinstance(told, Ready) or told.stale is None or told.value.down is not None:
        return {}
    return {"trouble": {"title": told.stale.title, "detail": told.stale.detail}}


def _down(live: Live) -> dict[str, Any]:
    if live.down is None:
        return {"empty": live.empty} if live.empty else {}
    since = live.down.since
    return {"down": {"since": None if since is None else int(since.timestamp() * 1000)}}


def _series(point: Sample, interface: str | None) -> Rate:
    return point.total if interface is None else point.rates.get(interface, Rate(None, None, Gap.GONE))


def _columns(points: Sequence[Sample], series: Sequence[Rate]) -> dict[str, Any]:
    """One pass and no helpers: this runs for every viewer every two seconds."""
    columns: dict[str, list[Any]] = {name: [] for name in ("recv", "sent", "cpu", "cores", "memory", "read", "written")}
    recv, sent, cpu, cores, memory, read, written = columns.values()
    gaps: dict[str, dict[str, str]] = {}
    for index, (point, rate) in enumerate(zip(points, series, strict=True)):
        host, disk = point.host, point.host.disk_io
        recv.append(None if rate.first is None else round(rate.first, 1))
        sent.append(None if rate.second is None else round(rate.second, 1))
        cpu.append(None if host.cpu_percent is None else round(host.cpu_percent, 1))
        cores.append([None if core is None else round(core, 1) for core in host.core_percents[:_CORES_SHOWN]])
        memory.append(None if host.memory is None else host.memory.used)
        read.append(None if disk.first is None else round(disk.first, 1))
        written.append(None if disk.second is None else round(disk.second, 1))
        if rate.reason is not None:
            gaps.setdefault("network", {})[str(index)] = rate.reason
        if disk.reason is not None:
            gaps.setdefault("disk", {})[str(index)] = disk.reason
        for name in host.reasons:
            gaps.setdefault(name, {})[str(index)] = host.reasons[name]
    return {**columns, "gaps": gaps}


def _now(sample: Sample, series: Rate) -> dict[str, Any]:
    memory = sample.host.memory
    return {
        "interval_s": _rounded(sample.interval_s, 3),
        "reason": series.reason,
        "imprecise": sample.imprecise,
        "rates": {
            name: [
                None if rate.first is None else round(rate.first, 1),
                None if rate.second is None else round(rate.second, 1),
                rate.reason,
            ]
            for name, rate in sample.rates.items()
        },
        "load": None if sample.host.load is None else [round(value, 2) for value in sample.host.load],
        "memory": None
        if memory is None
        else {
            "total": memory.total,
            "used": memory.used,
            "swap_total": memory.swap_total,
            "swap_used": memory.swap_used,
            "limit": memory.limit,
            "limit_used": memory.limit_used,
        },
        "reasons": dict(sample.host.reasons),
    }


def _about(live: Live, newest: Sample | None) -> dict[str, Any]:
    facts = live.facts
    return {
        "interfaces": [{"name": info.name, "kind": info.kind, "master": info.master} for info in live.infos.values()],
        "total_of": list(newest.choice.names) if newest else [],
        "total_rule": newest.choice.rule if newest else None,
        "total_routed": newest.choice.routed if newest else None,
        "scope": facts.scope,
        "scope_rule": facts.scope_rule,
        "source": facts.network_source,
        "cores": facts.cores,
        "cpu_limit": facts.cpu_limit,
        **({"notes": list(live.notes)} if live.notes else {}),
    }


def _mount(mount: Mount) -> dict[str, Any]:
    return {
        "path": mount.path,
        "label": mount.label,
        "total": mount.total,
        "used": mount.used,
        "free": mount.free,
        "reason": mount.reason,
    }


def _iso(sample: Sample | None) -> str | None:
    return None if sample is None else sample.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
