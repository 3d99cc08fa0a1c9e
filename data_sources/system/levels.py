"""What is read more slowly than the ticks, each on a thread of its own, and its newest answers in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from .mounts import PROC_MOUNTS, Mounts, MountWatch
from .sensors import Nvml, has_nvml, temperatures
from .types import Gpu, Levels, Temperature
from .watch import Watch

T = TypeVar("T")


class SlowReadings:
    """File systems, temperatures and graphics processors.

    Args:
        mounts: File systems that are watched whatever is mounted.
        mountinfo: The kernel's list of the others; None looks for none.
        ask_temperatures: Reads the sensors; None where they are not read.
        ask_gpus: Reads the graphics processors; None where they are not read.
    """

    def __init__(
        self,
        mounts: Sequence[MountWatch] = (),
        *,
        mountinfo: str | None = None,
        ask_temperatures: Callable[[], tuple[Temperature, ...]] | None = None,
        ask_gpus: Callable[[], tuple[Gpu, ...]] | None = None,
    ) -> None:
        self.mounts = Mounts(mounts, mountinfo=mountinfo)
        self._temperatures = ask_temperatures and Watch(
            "temperatures", ask_temperatures, silent="No answer from the sensors", period_s=10
        )
        self._gpus = ask_gpus and Watch("gpus", ask_gpus, silent="No answer from the driver", period_s=2)

    @classmethod
    def of_this_machine(cls, mounts: Sequence[MountWatch]) -> SlowReadings:
        """Everything that this machine offers."""
        ask_gpus = Nvml().gpus if has_nvml() else None
        return cls(mounts, mountinfo=PROC_MOUNTS, ask_temperatures=temperatures, ask_gpus=ask_gpus)

    def start(self) -> None:
        """Start asking."""
        for each in (self.mounts, self._temperatures, self._gpus):
            if each is not None:
                each.start()

    def stop(self) -> None:
        """Stop asking."""
        for each in (self.mounts, self._temperatures, self._gpus):
            if each is not None:
                each.stop()

    def now(self) -> Levels:
        """The newest answers."""
        reasons: dict[str, str] = {}
        return Levels(
            self.mounts.now(),
            _newest("temp", self._temperatures, reasons),
            _newest("gpu", self._gpus, reasons),
            reasons,
            self.mounts.left_out,
        )


def _newest(name: str, watch: Watch[tuple[T, ...]] | None, reasons: dict[str, str]) -> tuple[T, ...]:
    if watch is None:
        return ()
    heard = watch.now()
    if heard.value is None:
        reasons[name] = heard.reason or "not known"
        return ()
    return heard.value
