"""The named series that a sample holds: one number a tick each, as the history keeps them and the API names them.

A series that this machine does not have is absent; one that is not known at a tick is NaN inside, null outside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .types import Faults, Gap, HostSample, Levels, Rate, Sample

UNKNOWN = float("nan")
NETWORK = ("net_in", "net_out")
_AT = "@"  # net_in@eth0 is eth0's own; net_in alone is the total of the default route
# A host of thousands of containers must not fill the disk with their ports, nor one of hundreds of cores with those.
_MAX_INTERFACES, _MAX_CORES, _MAX_DISKS, _MAX_SENSORS = 64, 256, 64, 64
LEFT_OUT = "network_left_out"  # the reading under which it is told that there are more interfaces than are kept
_NO_LEVELS = Levels()
_FAMILIES = re.compile(
    r"net_(in|out|err_in|err_out|drop_in|drop_out)|cpu|cpu_(user|system|iowait|steal|core_\d+)|mem_used|mem_limit_used|swap_used"
    r"|load1|load5|load15|disk_(read|write)(_.+)?|mount_used_.+|psi_(cpu|mem|io)|temp_.+|gpu_.+"
)


@dataclass(slots=True)
class Figures:
    """One tick as numbers by series, and why some are missing by group of series; of which interfaces these are."""

    values: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    interfaces: Sequence[str] = ()


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


def mount_name(label: str) -> str:
    """The series of how much of a file system is in use."""
    return f"mount_used_{_word(label)}"


def network_group(interface: str | None) -> str:
    """Where the gaps of one interface are kept."""
    return "network" if interface is None else f"network{_AT}{interface}"


def figures(sample: Sample, levels: Levels = _NO_LEVELS, *, first: Sequence[str] = ()) -> Figures:
    """Every series of one sample.

    Args:
        sample: A tick of the sampler.
        levels: The newest answers of what is read more slowly.
        first: Interfaces that have a place before the others: the one that is looked at, or those that are recorded
            already, which new ones must not push out.
    """
    found = Figures()
    _network(found, "network", "", sample.total, sample.total_faults)
    found.interfaces = tuple(sample.rates)
    if len(sample.rates) > _MAX_INTERFACES:
        found.interfaces = _most_important(sample, first)
        found.reasons[LEFT_OUT] = Gap.LEFT_OUT
    for name in found.interfaces:
        _network(found, f"network{_AT}{name}", f"{_AT}{name}", sample.rates[name], sample.faults.get(name))
    _cpu(found, sample.host)
    _memory(found, sample.host)
    _disks(found, sample.host)
    for name, percent in sample.host.pressure.items():
        found.values[f"psi_{name}"] = _known(percent)
    found.reasons.update(sample.host.reasons)
    _levels(found, levels)
    return found


def _most_important(sample: Sample, first: Sequence[str]) -> Sequence[str]:
    """The total's own interfaces, those of `first`, then the others by name: the same ones at every tick."""
    ordered = dict.fromkeys((*sample.choice.names, *first, *sorted(sample.rates)))
    return [name for name in ordered if name in sample.rates][:_MAX_INTERFACES]


def _network(found: Figures, key: str, suffix: str, rate: Rate, faults: Faults | None) -> None:
    values = found.values
    values[f"net_in{suffix}"], values[f"net_out{suffix}"] = _pair(rate)
    if rate.reason is not None:
        found.reasons[key] = rate.reason
    values[f"net_err_in{suffix}"] = UNKNOWN if faults is None else faults.err_in
    values[f"net_err_out{suffix}"] = UNKNOWN if faults is None else faults.err_out
    values[f"net_drop_in{suffix}"] = UNKNOWN if faults is None else faults.drop_in
    values[f"net_drop_out{suffix}"] = UNKNOWN if faults is None else faults.drop_out


def _cpu(found: Figures, host: HostSample) -> None:
    values = found.values
    values["cpu"] = _known(host.cpu_percent)
    for mode, percent in sorted(host.cpu_modes.items()):
        values[f"cpu_{mode}"] = _known(percent)
    for number, percent in enumerate(host.core_percents[:_MAX_CORES]):
        values[f"cpu_core_{number}"] = _known(percent)
    for place, name in enumerate(("load1", "load5", "load15")):
        values[name] = UNKNOWN if host.load is None else host.load[place]


def _memory(found: Figures, host: HostSample) -> None:
    values, memory = found.values, host.memory
    values["mem_used"] = UNKNOWN if memory is None else memory.used
    if memory is not None:
        if memory.limit_used is not None:
            values["mem_limit_used"] = memory.limit_used
        if memory.swap_total and memory.swap_used is not None:
            values["swap_used"] = memory.swap_used


def _disks(found: Figures, host: HostSample) -> None:
    if host.disk_io.reason is Gap.UNSUPPORTED:
        return
    found.values["disk_read"], found.values["disk_write"] = _pair(host.disk_io)
    if host.disk_io.reason is not None:
        found.reasons["disk_io"] = host.disk_io.reason
    for name in sorted(host.disks)[:_MAX_DISKS]:
        found.values[f"disk_read_{name}"], found.values[f"disk_write_{name}"] = _pair(host.disks[name])


def _levels(found: Figures, levels: Levels) -> None:
    values = found.values
    for mount in levels.mounts:
        values[mount_name(mount.label)] = UNKNOWN if mount.used is None else mount.used
        if mount.used is None:
            found.reasons["mount"] = mount.reason or "not known"
    for sensor in levels.temperatures[:_MAX_SENSORS]:
        values[f"temp_{_word(sensor.label)}"] = sensor.celsius
    for gpu in levels.gpus:
        told = {"": gpu.percent, "mem_": gpu.memory_used, "temp_": gpu.celsius, "power_": gpu.watts}
        values.update({f"gpu_{part}{gpu.number}": value for part, value in told.items() if value is not None})
    found.reasons.update(levels.reasons)


def _word(label: str) -> str:
    """A label as part of a name: without blanks, and without the comma that parts names from each other."""
    return label.replace(" ", "_").replace(",", "_").replace("\n", "_")


def _pair(rate: Rate) -> tuple[float, float]:
    return _known(rate.first), _known(rate.second)


def _known(value: float | None) -> float:
    return UNKNOWN if value is None else value


def is_level(name: str) -> bool:
    """Whether a series is read as it stands, where any other is a rate over the time between two readings."""
    return group(name) in ("memory", "load", "mount", "temp", "gpu")


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
    if name.startswith("gpu_power"):
        return "W"
    return "tasks" if first.startswith("load") else "%"
