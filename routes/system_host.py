"""CPU, memory, disks, the machine itself and its processes for programs.

Unknown is null with its reason in `reasons`, under the field's own name, or that of the core or mode (`cpu_core_0`,
`cpu_iowait`) where the others of its list are known; an empty list of sensors or processors has its reason too. Once
the newest sample is older than three periods every figure of it is null too. Sizes are bytes, rates bytes per second,
shares 0 to 100.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response
from werkzeug.exceptions import BadRequest

from data_sources.result import Ready, Result
from data_sources.system.processes import ProcessList, ProcessRow
from data_sources.system.source import SystemSource
from data_sources.system.types import Gap, Gpu, HostNow, HostSample, Mount, Rate, Temperature
from routes.gate import needs
from routes.system_history import iso, whole
from routes.wire import answer, query_params

_ORDERS: dict[str, Callable[[ProcessRow], float]] = {
    "cpu": lambda row: -1.0 if row.cpu_percent is None else row.cpu_percent,
    "memory": lambda row: -1.0 if row.reading.rss is None else row.reading.rss,
}

NO_LIMIT = "no limit"  # of a container, or of any control group above the console
LIMIT_UNREAD = "the limit could not be read"  # there may be one
NOT_TOLD = "not told by this system"
_CPU_LIMITS, _MEMORY_LIMITS = ("limit_cores", "cpu_limit_cores"), ("limit", "limit_used", "memory_limit")
_PRESSURE = {"cpu": "psi_cpu", "memory": "psi_mem", "disk": "psi_io"}
# field -> the readings that it comes from, whose reasons are its own
_READINGS = {
    "percent": ("cpu",),
    "cores": ("cpu",),
    "modes": ("cpu",),
    "load": ("load",),
    "swap_total": ("swap", "memory"),
    "swap_used": ("swap", "memory"),
    **dict.fromkeys(("total", "available", "used", "limit", "limit_used", "memory_total", "memory_limit"), ("memory",)),
    **dict.fromkeys(("bytes_read_per_sec", "bytes_written_per_sec", "disks"), ("disk_io",)),
    "temperatures": ("temp",),
    "gpus": ("gpu",),
}
_MAY_BE_EMPTY = ("disks", "mounts")  # there are none: that is a figure


def blueprint(system: Callable[[], SystemSource]) -> Blueprint:
    """The routes `/api/v1/system/{cpu,memory,disk,host,processes}`."""
    made = Blueprint("system_host", __name__)

    def add(name: str, encode: Callable[[HostNow, HostSample | None], dict[str, Any]]) -> None:
        @needs("system:read")
        def view() -> Response:
            query_params(())
            result = system().host()
            return answer(result, lambda now: _about(name, result, now, encode))

        made.add_url_rule(f"/api/v1/system/{name}", name, view)

    add("cpu", encode_cpu)
    add("memory", encode_memory)
    add("disk", encode_disk)
    add("host", encode_host)

    @made.get("/api/v1/system/processes")
    @needs("admin")
    def processes() -> Response:
        """The processes that use most, by name and without arguments; read only while somebody asks."""
        given = {name: values[-1] for name, values in query_params(("sort", "limit")).items()}
        sort = given.get("sort", "cpu")
        if sort not in _ORDERS:
            raise BadRequest("sort must be cpu or memory.")
        limit = whole(given, "limit", 50, 1, 500)
        return answer(system().processes(), lambda found: encode_processes(found, sort, limit))

    return made


def _about(
    name: str, result: Result[HostNow], now: HostNow, encode: Callable[[HostNow, HostSample | None], dict[str, Any]]
) -> dict[str, Any]:
    """The figures, and when and how they were taken."""
    sample = now.sample
    stale = isinstance(result, Ready) and result.stale is not None
    host = None if sample is None or stale else sample.host
    figures = encode(now, host)
    missing = Gap.STALE if stale else Gap.MEASURING
    return {
        **figures,
        "reasons": ({"all": missing} if host is None else {}) | _reasons(name, figures, now, host, missing),
        "sampled_at": None if sample is None else iso(sample.at.timestamp()),
        "age_s": None if now.age_s is None else round(now.age_s, 3),
        "interval_s": None if sample is None or sample.interval_s is None else round(sample.interval_s, 6),
        "seq": None if sample is None else sample.seq,
    }


def _reasons(
    name: str, figures: Mapping[str, Any], now: HostNow, host: HostSample | None, missing: Gap
) -> dict[str, str]:
    """Why each field without a figure has none; of cores and modes also why one of them has none."""
    told: Mapping[str, str] = {**(host.reasons if host else {}), **now.levels.reasons}
    limits = dict.fromkeys(_CPU_LIMITS, LIMIT_UNREAD if now.facts.cpu_limit_unread else NO_LIMIT)
    if host is not None and host.memory is not None:
        limits |= dict.fromkeys(_MEMORY_LIMITS, LIMIT_UNREAD if host.memory.limit_unread else NO_LIMIT)
    found = {}
    for field, value in figures.items():
        if value is None and field in limits:
            found[field] = limits[field]
        elif (value is None and field != "reason") or (value in ([], {}) and field not in _MAY_BE_EMPTY):
            readings = (_PRESSURE[name], "psi") if field == "pressure_percent" else _READINGS.get(field, ())
            why = next((told[reading] for reading in readings if reading in told), None)
            found[field] = why or _silent(field, host, missing)
    if name == "cpu":
        found |= {reading: why for reading, why in told.items() if reading.startswith("cpu_")}
    return found


def _silent(field: str, host: HostSample | None, missing: Gap) -> str:
    """Why a field has no figure where no reading says it."""
    if field in ("temperatures", "gpus"):
        return Gap.UNSUPPORTED  # these are read by themselves, and found none
    return missing if host is None else NOT_TOLD


def encode_cpu(now: HostNow, host: HostSample | None) -> dict[str, Any]:
    """Busy shares, and what the container may use beside the machine's cores."""
    return {
        "percent": None if host is None else host.cpu_percent,
        "cores": [] if host is None else list(host.core_percents),
        "modes": {} if host is None else dict(host.cpu_modes),
        "load": None if host is None or host.load is None else list(host.load),
        "pressure_percent": None if host is None else host.pressure.get("cpu"),
        "count": now.facts.cores,
        "limit_cores": now.facts.cpu_limit,
        "scope": now.facts.scope,
    }


def encode_memory(now: HostNow, host: HostSample | None) -> dict[str, Any]:
    """The machine's memory, and beside it the container's own limit and use."""
    memory = None if host is None else host.memory
    names = ("total", "available", "used", "swap_total", "swap_used", "limit", "limit_used")
    return {
        **{name: None if memory is None else getattr(memory, name) for name in names},
        "pressure_percent": None if host is None else host.pressure.get("mem"),
    }


def encode_disk(now: HostNow, host: HostSample | None) -> dict[str, Any]:
    """Rates of the whole disks and their sum, and how full the file systems are."""
    total = Rate(None, None, Gap.MEASURING if now.sample is None else Gap.STALE) if host is None else host.disk_io
    return {
        **_rate(total),
        "disks": [] if host is None else [{"name": name, **_rate(rate)} for name, rate in sorted(host.disks.items())],
        "mounts": [_mount(mount) for mount in now.levels.mounts],
        "mounts_left_out": now.levels.mounts_left_out,
        "pressure_percent": None if host is None else host.pressure.get("io"),
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {"bytes_read_per_sec": rate.first, "bytes_written_per_sec": rate.second, "reason": rate.reason}


def _mount(mount: Mount) -> dict[str, Any]:
    return {
        "path": mount.path,
        "label": mount.label,
        "total": mount.total,
        "used": mount.used,
        "free": mount.free,
        "at": None if mount.at is None else iso(mount.at.timestamp()),
        "reason": mount.reason,
    }


def encode_host(now: HostNow, host: HostSample | None) -> dict[str, Any]:
    """The machine itself: whose it is, what it is, its sensors and graphics processors."""
    facts = now.facts
    return {
        "name": facts.name,
        "system": facts.system,
        "uptime_s": facts.uptime_s,
        "scope": facts.scope,
        "scope_rule": facts.scope_rule,
        "cores": facts.cores,
        "cpu_limit_cores": facts.cpu_limit,
        "memory_total": None if host is None or host.memory is None else host.memory.total,
        "memory_limit": None if host is None or host.memory is None else host.memory.limit,
        "network_source": facts.network_source,
        "temperatures": [_temperature(sensor) for sensor in now.levels.temperatures],
        "gpus": [_gpu(gpu) for gpu in now.levels.gpus],
    }


def _temperature(sensor: Temperature) -> dict[str, Any]:
    return {"label": sensor.label, "celsius": sensor.celsius, "high": sensor.high, "critical": sensor.critical}


def _gpu(gpu: Gpu) -> dict[str, Any]:
    names = ("number", "name", "percent", "memory_used", "memory_total", "celsius", "watts")
    return {name: getattr(gpu, name) for name in names}


def encode_processes(found: ProcessList, sort: str, limit: int) -> dict[str, Any]:
    """The processes that use most, and of how many."""
    rows = sorted(found.rows, key=lambda row: (-_ORDERS[sort](row), row.reading.pid))[:limit]
    return {
        "processes": [
            {
                "pid": row.reading.pid,
                "name": row.reading.name,
                "user": row.reading.user,
                "cpu_percent": None if row.cpu_percent is None else round(row.cpu_percent, 1),
                "rss_bytes": row.reading.rss,
                "threads": row.reading.threads,
                "state": row.reading.state,
                "started_at": iso(row.reading.started_s),
            }
            for row in rows
        ],
        "total": len(found.rows) if found.at else None,
        "sampled_at": None if found.at is None else iso(found.at.timestamp()),
        "interval_s": None if found.interval_s is None else round(found.interval_s, 3),
        "period_s": found.period_s,
        "reason": found.reason,
    }
