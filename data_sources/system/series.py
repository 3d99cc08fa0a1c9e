"""The named series that a sample holds: one number a tick each, as the history keeps them and the API names them.

A series that this machine does not have is absent; one that is not known at a tick is NaN inside, null outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .types import Gap, Mount, Rate, Sample

UNKNOWN = float("nan")
NETWORK = ("net_in", "net_out")
_AT = "@"  # net_in@eth0 is eth0's own; net_in alone is the total of the default route
_MAX_INTERFACES = 64  # a host of thousands of containers must not fill the disk with their ports
_FAMILIES = re.compile(
    r"net_(in|out|err_in|err_out|drop_in|drop_out)|cpu|cpu_(user|system|iowait|steal|core_\d+)|mem_used|mem_limit_used|swap_used"
    r"|load1|load5|load15|disk_(read|write)(_.+)?|mount_used_.+|psi_(cpu|mem|io)|temp_.+|gpu_.+"
)


@dataclass(slots=True)
class Figures:
    """One tick as numbers by series, and why some are missing by group of series."""

    values: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def is_series(name: str) -> bool:
    """Whether a name is one that some machine may have."""
    return _FAMILIES.fullmatch(name) is not None


def stored_name(name: str, interface: str | None) -> str:
    """What a series is kept as: the network's are kept by interface."""
    return f"{name}{_AT}{interface}" if interface is not None and name.startswith("net_") else name


def shown_name(stored: str, interface: str | None) -> str | None:
    """The reverse of `stored_name`; None for a series of another interface than the one asked for."""
    name, at, of = stored.partition(_AT)
    if not name.startswith("net_"):
        return stored
    return name if (of if at else None) == interface else None


def group(name: str) -> str:
    """Which reading a series comes from: its gaps are that reading's."""
    first = name.partition("_")[0]
    return {"net": "network", "mem": "memory", "swap": "memory", "disk": "disk_io"}.get(
        first, re.sub(r"\d+$", "", first)
    )


def network_group(interface: str | None) -> str:
    """Where the gaps of one interface are kept."""
    return "network" if interface is None else f"network{_AT}{interface}"


def figures(sample: Sample, mounts: Iterable[Mount] = ()) -> Figures:
    """Every series of one sample.

    Args:
        sample: A tick of the sampler.
        mounts: The file systems' newest answers.
    """
    found = Figures()
    _network(found, "network", "", sample.total)
    names = sample.rates if len(sample.rates) <= _MAX_INTERFACES else _most_important(sample)
    for name in names:
        _network(found, f"network{_AT}{name}", f"{_AT}{name}", sample.rates[name])
    _host(found, sample)
    for mount in mounts:
        found.values[f"mount_used_{mount.label.replace(' ', '_')}"] = UNKNOWN if mount.used is None else mount.used
        if mount.used is None:
            found.reasons["mount"] = mount.reason or "not known"
    return found


def _most_important(sample: Sample) -> list[str]:
    """The total's own interfaces, then the others by name: the same ones at every tick."""
    own = [name for name in sample.choice.names if name in sample.rates]
    return [*own, *sorted(set(sample.rates) - set(own))][:_MAX_INTERFACES]


def _network(found: Figures, key: str, suffix: str, rate: Rate) -> None:
    found.values[f"net_in{suffix}"], found.values[f"net_out{suffix}"] = _pair(rate)
    if rate.reason is not None:
        found.reasons[key] = rate.reason


def _host(found: Figures, sample: Sample) -> None:
    values, host = found.values, sample.host
    values["cpu"] = _known(host.cpu_percent)
    for number, percent in enumerate(host.core_percents):
        values[f"cpu_core_{number}"] = _known(percent)
    memory = host.memory
    values["mem_used"] = UNKNOWN if memory is None else memory.used
    if memory is not None:
        if memory.limit_used is not None:
            values["mem_limit_used"] = memory.limit_used
        if memory.swap_total:
            values["swap_used"] = memory.swap_used
    for place, name in enumerate(("load1", "load5", "load15")):
        values[name] = UNKNOWN if host.load is None else host.load[place]
    if host.disk_io.reason is not Gap.UNSUPPORTED:
        values["disk_read"], values["disk_write"] = _pair(host.disk_io)
        if host.disk_io.reason is not None:
            found.reasons["disk_io"] = host.disk_io.reason
    found.reasons.update(host.reasons)


def _pair(rate: Rate) -> tuple[float, float]:
    return _known(rate.first), _known(rate.second)


def _known(value: float | None) -> float:
    return UNKNOWN if value is None else value


def as_columns(names: tuple[str, ...], values: Mapping[str, float]) -> list[float]:
    """The values in the order of `names`, unknown where one is missing."""
    return [values.get(name, UNKNOWN) for name in names]


def unit(name: str) -> str:
    """What a series is counted in."""
    first = name.partition("_")[0]
    if name.startswith(("net_err", "net_drop")):
        return "packets/s"
    if first in ("net", "disk"):
        return "B/s"
    if first in ("mem", "swap", "mount") or name.startswith("gpu_mem"):
        return "B"
    if first == "temp" or name.startswith("gpu_temp"):
        return "°C"
    return "tasks" if first.startswith("load") else "%"
