"""What is slow is asked beside the ticks: a file system, a sensor or a driver that hangs loses its own figure only."""

import os
import threading

import pytest

from data_sources.system.levels import SlowReadings
from data_sources.system.mounts import MAX_OTHERS, Mounts, MountWatch, Usage, mounted_device, parse_mountinfo
from data_sources.system.sensors import Nvml, temperatures
from data_sources.system.types import Gpu, Temperature
from data_sources.system.watch import Watch
from tests.data_sources.system.test_sampler import wait_until


def test_a_file_system_answers_with_bytes_or_with_why_not():
    watch = MountWatch("/data", "data folder", ask=lambda _: Usage(100, 40, 55))
    assert watch.now().reason == "measuring"
    watch.ask()
    assert (watch.now().total, watch.now().used, watch.now().free) == (100, 40, 55)

    def broken(path):
        raise FileNotFoundError(2, "No such file or directory")

    watch = MountWatch("/data", "data folder", ask=broken)
    watch.ask()
    assert (watch.now().free, watch.now().reason) == (None, "No such file or directory")


def test_a_file_system_that_hangs_loses_its_figures():
    clock = {"now": 0.0}
    seen = []

    def hanging(path):
        clock["now"] = 31.0
        seen.append(watch.now())  # what a viewer gets while the question hangs
        return Usage(100, 40, 55)

    watch = MountWatch("/data", "data folder", ask=hanging, clock_s=lambda: clock["now"])
    watch.ask()
    assert (seen[0].free, seen[0].reason) == (None, "No answer from this file system")
    assert watch.now().free == 55


def test_while_a_question_hangs_there_is_one_thread_for_it_however_often_it_is_started():
    goes_on, asked = threading.Event(), []

    def hanging():
        asked.append(threading.current_thread())
        goes_on.wait(10)
        return 1

    watch = Watch("hangs", hanging, silent="silent", period_s=0.005)
    watch.start()
    wait_until(lambda: asked)
    watch.stop()
    watch.start()
    watch.start()
    assert (len(asked), watch.hangs) == (1, True)
    goes_on.set()
    wait_until(lambda: len(asked) > 2)  # and it goes on by itself
    watch.stop()
    assert len(set(asked)) == 1
    asked[0].join(10)


MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
28 27 254:0 /var/snap /var/bind rw - ext4 /dev/vda rw
30 27 8:1 / /mnt/with\\040blank rw - xfs /dev/sda1 rw
31 27 8:1 /sub /mnt/again/deeper rw - xfs /dev/sda1 rw
32 27 7:3 / /snap/core ro - squashfs /dev/loop3 ro
33 27 0:50 / /srv/share rw - nfs4 server:/export rw
34 27 0:51 / /pool rw shared:7 - zfs pool rw
35 27 0:52 / /run rw - tmpfs tmpfs rw
short line
"""


def test_disks_and_shares_are_watched_once_each_and_images_and_memory_are_not():
    assert parse_mountinfo(MOUNTS) == {
        "/mnt/with blank": ("30", "8:1"),
        "/pool": ("34", "0:51"),
        "/srv/share": ("33", "0:50"),
    }


def test_what_is_mounted_over_a_disk_hides_it():
    over = "40 30 0:60 / /mnt/with\\040blank rw - tmpfs tmpfs rw\n41 34 8:9 / /pool rw - ext4 /dev/sdb9 rw\n"
    assert parse_mountinfo(MOUNTS + over) == {
        "/mnt/again/deeper": ("31", "8:1"),
        "/pool": ("41", "8:9"),
        "/srv/share": ("33", "0:50"),
    }


def test_after_an_unmount_the_file_system_above_is_not_shown_under_the_old_name():
    devices, sizes = [7], {7: 100, 8: 900}
    watch = MountWatch("/mnt/x", "/mnt/x", ask=lambda _: Usage(sizes[devices[0]], 1, 1), device=lambda _: devices[0])
    for device, total, reason in ((7, 100, None), (8, None, "not there"), (7, 100, None)):
        devices[0] = device
        watch.ask()
        assert (watch.now().total, watch.now().reason) == (total, reason)


def test_a_file_system_that_goes_while_it_is_asked_has_no_figure():
    devices = iter([7, 8])
    watch = MountWatch("/mnt/x", "/mnt/x", ask=lambda _: Usage(900, 1, 1), device=lambda _: next(devices))
    watch.ask()
    assert (watch.now().total, watch.now().reason) == (None, "not there")


def test_a_folder_on_which_nothing_is_mounted_is_no_file_system_of_its_own(tmp_path):
    assert mounted_device("/proc") == os.stat("/proc").st_dev
    with pytest.raises(FileNotFoundError, match="not there"):
        mounted_device(str(tmp_path))
    (tmp_path / "mountinfo").write_text(f"9 1 8:1 / {tmp_path} rw - ext4 /dev/sda1 rw\n")
    mounts = Mounts((), mountinfo=str(tmp_path / "mountinfo"))
    mounts.start()
    wait_until(lambda: mounts.now() and mounts.now()[0].reason != "measuring")
    (mount,) = mounts.now()
    mounts.stop()
    assert (mount.total, mount.reason) == (None, "not there")


@pytest.mark.parametrize(("number", "device"), [(10, "8:2"), (9, "8:1")], ids=["another", "numbers used again"])
def test_another_file_system_at_the_same_place_is_right_after_the_next_listing(tmp_path, number, device):
    table, mounted = tmp_path / "mountinfo", [7]

    def make(path):
        return MountWatch(path, path, ask=lambda _: Usage(mounted[0], 1, 1), device=lambda _: mounted[0], period_s=0.01)

    table.write_text("9 1 8:1 / /mnt/x rw - ext4 /dev/sda1 rw\n")
    mounts = Mounts((), mountinfo=str(table), make=make)
    mounts.start()
    wait_until(lambda: mounts.now() and mounts.now()[0].total == 7)
    mounted[0] = 8
    wait_until(lambda: mounts.now()[0].reason == "not there")
    table.write_text(f"{number} 1 {device} / /mnt/x rw - ext4 /dev/sda1 rw\n")
    mounts.look()
    wait_until(lambda: mounts.now()[0].total == 8)
    mounts.stop()


def test_mounts_come_and_go_within_a_bound_and_a_hanging_one_gets_no_second_thread(tmp_path):
    table, goes_on = tmp_path / "mountinfo", threading.Event()

    def ask(path):
        if path == "/n01":
            goes_on.wait(10)
        return Usage(100, 40, 55)

    def write(*numbers):
        table.write_text("".join(f"9 1 8:{n} / /n{n:02} rw - ext4 /dev/s{n} rw\n" for n in numbers))

    mounts = Mounts((), mountinfo=str(table), make=lambda path: MountWatch(path, path, ask=ask, period_s=0.01))
    write(*range(1, 21))
    mounts.start()
    wait_until(lambda: len(mounts.now()) == MAX_OTHERS and mounts.now()[1].free == 55)
    assert mounts.left_out == 4
    assert mounts.now()[0].free is None
    write(2)
    mounts.look()
    assert [mount.path for mount in mounts.now()] == ["/n02"]
    write(1, 2)
    mounts.look()
    assert (len(mounts.now()), mounts.left_out) == (1, 1)  # the old question to /n01 still hangs
    goes_on.set()
    wait_until(lambda: mounts.look() or len(mounts.now()) == 2)
    mounts.stop()


def test_what_cannot_be_read_says_why_and_the_rest_is_there():
    def silent():
        raise OSError(5, "Input/output error")

    slow = SlowReadings(ask_temperatures=silent, ask_gpus=lambda: (Gpu(0, "one", 50.0),))
    assert slow.now().reasons == {"temp": "measuring", "gpu": "measuring"}
    slow._temperatures.ask()
    slow._gpus.ask()
    assert slow.now().reasons == {"temp": "Input/output error"}
    assert slow.now().gpus == (Gpu(0, "one", 50.0),)


def test_sensors_are_named_by_chip_and_label_and_nonsense_is_left_out(monkeypatch):
    from psutil._ntuples import shwtemp

    rows = {
        "coretemp": [shwtemp("Package id 0", 45.0, 80.0, 100.0), shwtemp("", 255.0, None, None)],
        "acpitz": [shwtemp("", 30.0, None, None), shwtemp("", 31.5, None, None)],
        "nvme": [shwtemp("", 40.0, None, None)],
    }
    monkeypatch.setattr("psutil.sensors_temperatures", lambda: rows, raising=False)
    assert temperatures() == (
        Temperature("coretemp Package id 0", 45.0, 80.0, 100.0),
        Temperature("acpitz 0", 30.0),
        Temperature("acpitz 1", 31.5),
        Temperature("nvme", 40.0),
    )


class Driver:
    """NVIDIA's library as this code uses it: two processors, the second of which tells no power."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception): ...

    class NVMLError_NotSupported(NVMLError): ...  # noqa: N801, N818  the library's own name

    class NVMLError_LibraryNotFound(NVMLError): ...  # noqa: N801, N818

    class NVMLError_DriverNotLoaded(NVMLError): ...  # noqa: N801, N818

    def __init__(self, begin=None, count=None):
        self.begin, self.count, self.begun = begin, count, 0

    def nvmlInit(self):  # noqa: N802
        self.begun += 1
        if self.begin:
            raise self.begin

    def nvmlDeviceGetCount(self):  # noqa: N802
        if self.count:
            raise self.count
        return 2

    def nvmlDeviceGetHandleByIndex(self, number):  # noqa: N802
        return number

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return b"H100"

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return type("Memory", (), {"total": 80 * 10**9, "used": 8 * 10**9})

    def nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        return type("Rates", (), {"gpu": 0, "memory": 3})

    def nvmlDeviceGetTemperature(self, handle, sensor):  # noqa: N802
        return 61

    def nvmlDeviceGetPowerUsage(self, handle):  # noqa: N802
        if handle == 1:
            raise self.NVMLError_NotSupported
        return 350_500


def test_graphics_processors_tell_what_they_tell_and_a_zero_is_a_zero():
    first, second = Nvml(Driver).gpus()
    assert first == Gpu(0, "H100", 0.0, 8 * 10**9, 80 * 10**9, 61.0, 350.5)
    assert (second.number, second.watts) == (1, None)


def test_without_library_or_driver_there_is_no_graphics_processor_and_nobody_asks_again():
    def missing():
        raise ImportError

    assert Nvml(missing).gpus() == ()
    driver = Driver(begin=Driver.NVMLError_DriverNotLoaded())
    nvml = Nvml(lambda: driver)
    assert (nvml.gpus(), nvml.gpus(), driver.begun) == ((), (), 1)


def test_a_driver_in_trouble_says_so_and_is_begun_anew():
    driver = Driver(count=Driver.NVMLError("GPU is lost"))
    nvml = Nvml(lambda: driver)
    with pytest.raises(RuntimeError, match="GPU is lost"):
        nvml.gpus()
    driver.count = None
    assert len(nvml.gpus()) == 2
    assert driver.begun == 2
