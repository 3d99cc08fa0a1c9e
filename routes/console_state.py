"""The console about itself, put together from its sources. Nothing outside is asked: what was seen last is told."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from data_sources.console.own import jitter
from data_sources.console.types import Connection, ConsoleNow, Received
from data_sources.result import Failed, Provenance, Ready, Result
from data_sources.usage.store import wal_of
from routes.source_states import Dot, states
from routes.sources import USAGE_FILE, Sources

_ANSWERS: dict[Dot, bool | None] = {"ok": True, "warn": False, "danger": False, "none": None}
_FOLDER = "data folder"


def console_now(sources: Sources) -> Result[ConsoleNow]:
    """Everything the console can tell about itself.

    Args:
        sources: The sources of this server.

    Returns:
        Ready; each thing that is not known has its reason.
    """
    reasons: dict[str, str] = {}
    process = sources.own.now()
    if process is None:
        reasons["process"] = "measuring"
    elif process.step_s is None:
        reasons |= dict.fromkeys(("process.cpu_percent", "process.step_s", "process.accepted_per_s"), "measuring")
    sampler = sources.system.sampler
    punctual = jitter(sampler.since(-1)[0], sampler.period_s)
    if punctual is None:
        reasons["jitter"] = "measuring"
    elif punctual.p95_s is None:
        reasons["jitter.p95_s"] = f"too few steps yet: {punctual.steps}"
    writer = sources.writer
    told = ConsoleNow(
        version("ops-center"),
        process,
        punctual,
        _store_bytes(sources.settings.data_dir / USAGE_FILE, reasons),
        _last_event(sources, reasons),
        Received(writer.accepted, writer.duplicates),
        _free_bytes(sources, reasons),
        sources.settings.min_free_bytes,
        _webhooks(sources, reasons),
        tuple(
            Connection(each.name, _ANSWERS[each.dot], each.word, each.detail)
            for each in states(sources)
            if each.name not in ("Usage store", "Sampler")
        ),
        reasons,
    )
    how = "Own counters every 5 s, rates over the last minute; file sizes now; Lago and Stripe as last seen"
    return Ready(told, Provenance("This console", how, None))


def _store_bytes(file: Path, reasons: dict[str, str]) -> int | None:
    try:
        log = wal_of(file)
        return file.stat().st_size + (log.stat().st_size if log.exists() else 0)
    except FileNotFoundError:
        reasons["store_bytes"] = "the store is made with the first event"
    except OSError as error:
        reasons["store_bytes"] = error.strerror or "not readable"
    return None


def _last_event(sources: Sources, reasons: dict[str, str]) -> datetime | None:
    at = sources.usage_store.last_event_at
    if at is None:
        reasons["last_event_at"] = "no event has been received since the store was opened, or ever"
    return at


def _free_bytes(sources: Sources, reasons: dict[str, str]) -> int | None:
    host = sources.system.host()
    mounts = host.value.mounts if isinstance(host, Ready) else ()
    found = next((mount for mount in mounts if mount.label == _FOLDER), None)
    if found is None or found.free is None:
        reasons["free_bytes"] = "not told" if found is None else found.reason or "measuring"
        return None
    return found.free


def _webhooks(sources: Sources, reasons: dict[str, str]) -> dict[str, datetime | None] | None:
    inbox = sources.billing.desk.inbox()
    if isinstance(inbox, Ready) and inbox.value.last:
        reasons |= {f"webhooks.{name}": "none has come" for name, at in inbox.value.last.items() if at is None}
        return dict(inbox.value.last)
    reasons["webhooks"] = inbox.problem.title if isinstance(inbox, Failed) else "no sender's signature can be checked"
    return None
