"""Counters come from the kernel's own table, stamped before the read, and half a table is an error."""

import os
import socket
import sys
import threading

import pytest

from data_sources.system.kernel_file import KernelFile, pread_holding_lock
from data_sources.system.network import ProcNetDev, PsutilNetwork, parse_proc_net_dev
from data_sources.system.types import Counters, Faults

HEADER = "Inter-|   Receive\n face |bytes    packets\n"


def row(name, received, sent):
    return f"{name:>6}: {received} 1 2 3 0 0 0 0 {sent} 1 4 5 0 0 0 0\n"


def test_bytes_errors_and_drops_stand_where_the_kernel_writes_them():
    counters, faults = parse_proc_net_dev(HEADER + row("eth0", 123, 456) + row("lo", 7, 7))
    assert counters == {"eth0": Counters(123, 456), "lo": Counters(7, 7)}
    assert faults["eth0"] == Faults(err_in=2, err_out=4, drop_in=3, drop_out=5)


def test_a_name_may_touch_its_first_number_and_hold_a_colon():
    text = HEADER + "eth0:1:99 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n"
    assert parse_proc_net_dev(text)[0] == {"eth0:1": Counters(99, 5)}


@pytest.mark.parametrize("line", ["eth0: 1 2 3\n", "nothing at all\n", "eth0: a b c d e f g h i j k l m n o p\n"])
def test_a_line_of_another_shape_is_an_error_and_not_a_vanished_interface(line):
    with pytest.raises(ValueError, match=r"numbers|invalid literal"):
        parse_proc_net_dev(HEADER + line)


def test_a_table_longer_than_one_read_comes_whole(tmp_path):
    table = tmp_path / "dev"
    table.write_text(HEADER + "".join(row(f"veth{n}", n, n) for n in range(200)))
    whole = pread_holding_lock()
    in_pages = ProcNetDev(str(table), pread=lambda fd, size, offset: whole(fd, 4096, offset))  # as the kernel does
    assert len(in_pages.read().counters) == 200
    assert in_pages.read().counters == ProcNetDev(str(table)).read().counters


def test_the_read_that_keeps_the_interpreter_is_that_of_the_system(tmp_path):
    table = tmp_path / "dev"
    table.write_text("0123456789")
    fd, pread = os.open(table, os.O_RDONLY), pread_holding_lock()
    assert pread is not os.pread  # else a busy thread comes between
    assert [pread(fd, 4, offset) for offset in (0, 8, 10)] == [os.pread(fd, 4, offset) for offset in (0, 8, 10)]
    os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        pread(fd, 4, 0)


def test_threads_that_read_at_once_never_have_each_others_bytes(tmp_path):
    interval, found = sys.getswitchinterval(), {}

    def read(name):
        file = KernelFile(tmp_path / name)
        found[name] = {file.read() for _ in range(3000)}

    threads = [threading.Thread(target=read, args=(name,)) for name in "abc"]
    sys.setswitchinterval(1e-6)
    try:
        for name in "abc":
            (tmp_path / name).write_text(name * 100)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    finally:
        sys.setswitchinterval(interval)
    assert found == {name: {name.encode() * 100} for name in "abc"}


def test_a_file_that_is_slow_time_after_time_lets_other_threads_in(tmp_path):
    table, clock, held = tmp_path / "dev", {"now": 0.0, "step": 0.03}, []
    table.write_text("x")
    keep = pread_holding_lock()

    def pread(fd, size, offset):
        held.append(offset)
        clock["now"] += clock["step"] / 2  # each content takes two reads, the second finds the end
        return keep(fd, size, offset)

    file = KernelFile(table, pread=pread, clock_s=lambda: clock["now"])
    for step in (0.03, 0.03, 0.03, 0.03, 0.001, 0.03, 0.03, 0.03, 0.03, 0.03):
        clock["step"] = step
        assert file.read() == b"x"
    assert len(held) == 20
    assert file.read() == b"x"
    assert len(held) == 20  # read by the system's own way


@pytest.mark.parametrize(
    ("took", "best"), [([100], 0), ([900, 10], 1), ([900, 800, 700, 950, 990], 2)], ids=["at once", "again", "least"]
)
def test_the_time_is_stamped_before_the_read_and_the_least_interrupted_try_counts(tmp_path, took, best):
    table = tmp_path / "dev"
    table.write_text(HEADER + row("eth0", 1, 2))
    times = iter([moment for number, ns in enumerate(took) for moment in (number * 1000, number * 1000 + ns)])
    reading = ProcNetDev(str(table), clock_ns=lambda: next(times), slow_ns=500).read()
    assert (reading.at_ns, reading.took_ns) == (best * 1000, took[best])


def test_a_file_that_cannot_be_read_is_opened_anew_at_the_next_tick(tmp_path):
    table = tmp_path / "dev"
    reader = ProcNetDev(str(table))
    with pytest.raises(FileNotFoundError):
        reader.read()
    table.write_text(HEADER + row("eth0", 1, 2))
    assert reader.read().counters == {"eth0": Counters(1, 2)}
    reader.close()


@pytest.mark.parametrize("make", [ProcNetDev, PsutilNetwork])
def test_real_traffic_over_loopback_moves_the_real_counter_by_at_least_its_bytes(make):
    reader = make()
    before = reader.read().counters["lo"]
    payload = b"x" * 1000
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
    ):
        sink.bind(("127.0.0.1", 0))
        for _ in range(50):
            out.sendto(payload, sink.getsockname())
    after = reader.read().counters["lo"]
    reader.close()
    assert after.first - before.first >= 50_000
    assert after.second - before.second >= 50_000
