"""The hosts for programs: this machine, and those that Prometheus watches. Unknown is null with its reason."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response

from data_sources.result import utc_now
from data_sources.system.types import HostList, HostRow, Rate
from routes.gate import needs
from routes.sources import Sources
from routes.wire import answer, query_params


def blueprint(sources: Sources) -> Blueprint:
    """The route `/api/v1/system/hosts`."""
    made = Blueprint("system_hosts", __name__)

    @made.get("/api/v1/system/hosts")
    @needs("system:read")
    def hosts() -> Response:
        """Every host with its state and newest figures, this machine first."""
        query_params(())
        result = sources.hosts()
        notes = list(result.provenance.notes) if hasattr(result, "provenance") and result.provenance else []
        return answer(result, lambda found: {**encode_hosts(found, utc_now()), "notes": notes})

    return made


def encode_hosts(found: HostList, now: datetime) -> dict[str, Any]:
    """The answer of `/api/v1/system/hosts`.

    Args:
        found: The hosts.
        now: The time now, UTC, for ages.
    """
    state: dict[str, Any] = {"state": "ok", "reason": None}
    if found.problem is not None:
        state = {"state": "failed", "reason": f"{found.problem.title}. {found.problem.detail}"}
    elif found.unset is not None:
        state = {"state": "not configured", "reason": found.unset.detail, "settings": list(found.unset.settings)}
    return {"hosts": [_host(row, now) for row in found.rows], "prometheus": state}


def _host(row: HostRow, now: datetime) -> dict[str, Any]:
    sample, reasons = row.sample, {}
    missing = row.reason or "measuring"
    total, disk = (sample.total, sample.host.disk_io) if sample else (Rate(None, None), Rate(None, None))
    if sample is not None:
        reasons = {name: str(why) for name, why in sample.host.reasons.items()}
    for name, rate in (("network", total), ("disk_io", disk)):
        if rate.first is None:
            reasons[name] = str(rate.reason or missing)
    memory, load = (sample.host.memory, sample.host.load) if sample else (None, None)
    if row.root is None or row.root.used is None:
        reasons["root"] = (row.root.reason if row.root else row.reason) or "no root file system is told"
    return {
        "id": row.id,
        "name": row.name,
        "instance": row.instance,
        "job": row.job,
        "state": row.state,
        "reason": row.reason,
        "read_at": None if row.seen_at is None else _iso(row.seen_at),
        "age_s": None if row.seen_at is None else round((now - row.seen_at).total_seconds(), 1),
        "period_s": row.period_s,
        "interval_s": None if sample is None or sample.interval_s is None else round(sample.interval_s, 3),
        "cpu_percent": None if sample is None else sample.host.cpu_percent,
        "memory": None if memory is None else {"total": memory.total, "used": memory.used},
        "load": None if load is None else list(load),
        "bytes_recv_per_sec": total.first,
        "bytes_sent_per_sec": total.second,
        "total_of": list(sample.choice.names) if sample else [],
        "disk_read_per_sec": disk.first,
        "disk_written_per_sec": disk.second,
        "root": None
        if row.root is None or row.root.used is None
        else {"total": row.root.total, "used": row.root.used, "free": row.root.free},
        "reasons": reasons if sample is not None else {"all": missing},
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
