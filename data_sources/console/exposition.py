"""The console's figures in Prometheus's text format 0.0.4. What is not known has no line: absent, never 0."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from .types import ConsoleNow, OwnProcess

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Value: TypeAlias = float | int | datetime | None


class Metric(NamedTuple):
    """One metric: its samples are (labels, value); a value of None is left out."""

    name: str
    kind: Literal["gauge", "counter", "summary"]
    help: str
    samples: Iterable[tuple[dict[str, str], Value]]


def metrics(now: ConsoleNow) -> list[Metric]:
    """Every metric the console tells."""
    punctual, received = now.jitter, now.received
    lateness = (
        [] if punctual is None else [("0.5", punctual.median_s), ("0.95", punctual.p95_s), ("1", punctual.worst_s)]
    )
    answers = [({"source": each.name.lower()}, each.answers) for each in now.connections if each.answers is not None]
    return [
        Metric("ops_center_info", "gauge", "The version that runs.", [({"version": now.version}, 1)]),
        *_process(now.process),
        _one("ops_center_usage_store_bytes", "gauge", "Size of the usage store's files.", now.store_bytes),
        _one(
            "ops_center_usage_last_event_timestamp_seconds",
            "gauge",
            "When the newest usage event was received.",
            now.last_event_at,
        ),
        _one(
            "ops_center_usage_events_accepted_total",
            "counter",
            "Usage events stored since the start.",
            received.accepted if received else None,
        ),
        _one(
            "ops_center_usage_events_duplicate_total",
            "counter",
            "Usage events that were there already.",
            received.duplicates if received else None,
        ),
        _one("ops_center_data_folder_free_bytes", "gauge", "What may still be written there.", now.free_bytes),
        _one("ops_center_data_folder_min_free_bytes", "gauge", "With less no event is accepted.", now.min_free_bytes),
        Metric(
            "ops_center_sampler_lateness_seconds",
            "summary",  # of the last hour only: a sum and a count since the start would be of something else
            "How far the sampler's steps were from their period, over the last hour.",
            [({"quantile": quantile}, value) for quantile, value in lateness],
        ),
        _one(
            "ops_center_sampler_late_steps",
            "gauge",
            "Steps of the last hour so long that they became gaps.",
            punctual.late if punctual else None,
        ),
        Metric(
            "ops_center_webhook_last_verified_timestamp_seconds",
            "gauge",
            "When the last webhook whose signature was right came.",
            [({"sender": sender}, at) for sender, at in (now.webhooks or {}).items()],
        ),
        Metric("ops_center_source_answers", "gauge", "Whether its last answer was good.", answers),
    ]


def _process(process: OwnProcess | None) -> list[Metric]:
    if process is None:
        return []
    return [
        _one("process_cpu_seconds_total", "counter", "Processor time of the console.", process.cpu_s),
        _one("process_resident_memory_bytes", "gauge", "Resident memory.", process.memory_bytes),
        _one("process_threads", "gauge", "Threads.", process.threads),
        _one("process_start_time_seconds", "gauge", "When the console started.", process.started_at),
    ]


def _one(name: str, kind: Literal["gauge", "counter"], told: str, value: Value) -> Metric:
    return Metric(name, kind, told, [({}, value)])


def text(found: Iterable[Metric]) -> str:
    """The metrics as Prometheus reads them; one without any known value is not named at all."""
    lines: list[str] = []
    for metric in found:
        known = [(labels, value) for labels, value in metric.samples if value is not None]
        if known:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [f"{metric.name}{_labels(labels)} {_number(value)}" for labels, value in known]
    return "\n".join(lines) + "\n"


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + inner + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float | int | datetime) -> str:
    if isinstance(value, datetime):
        return repr(value.timestamp())
    return repr(int(value)) if isinstance(value, int) else repr(value)
