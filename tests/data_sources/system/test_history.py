"""The history: every spike is kept, a restart is a gap, and a disk that fails costs the history and no sample."""

import os
import shutil
import sqlite3
import threading
from datetime import timedelta

import numpy as np
import pytest

from data_sources.system.blobs import GarbledError
from data_sources.system.history import FLUSH_S, History
from data_sources.system.history_file import COARSE_S, FINE_S, DamagedError, HistoryFile
from data_sources.system.history_reader import HistoryQuery
from data_sources.system.slots import Slot
from data_sources.system.types import Counters
from tests.data_sources.system.test_sampler import wait_until
from tests.fakes.machine import START, FakeMachine

DAY = 86_400


class Watched:
    """A machine, its sampler and its history; time passes when the test says so."""

    def __init__(self, folder, machine=None, **options):
        self.machine = machine or FakeMachine()
        self.path = None if folder is None else folder / "history.db"
        self.options = options
        self.begin()

    def begin(self):
        self.sampler = self.machine.sampler()
        self.history = History(self.path, now=self.machine.now, **self.options)
        self.sampler.on_sample = self.history.record
        self.sampler.tick()

    def restart(self, away_s):
        self.history.close()
        self.machine.wait(away_s)
        self.begin()

    def run(self, seconds, per_s=1000):
        for _ in range(int(seconds / 2)):
            self.machine.wait(2)
            if "eth0" in self.machine.counters:
                self.machine.receive("eth0", per_s * 2, per_s)
            self.sampler.tick()

    def window(self, seconds, **asked):
        return self.history.window(HistoryQuery(window_s=seconds, **asked))


@pytest.fixture
def watched(tmp_path):
    made = Watched(tmp_path)
    yield made
    made.history.close()


def known(series):
    return series.mean[~np.isnan(series.mean)]


def test_five_minutes_are_the_rings_own_ticks(watched):
    watched.run(400)
    window = watched.window(300)
    assert (window.grid.tier_s, window.grid.step_s, window.grid.count) == (2, 2, 150)
    assert window.series["net_in"].mean.tolist() == [1000.0] * 150
    assert window.series["net_in"].gap.tolist() == [0.0] * 150
    assert window.series["net_in"].summary.of == "2 s rates"
    assert known(window.series["cpu"]) == pytest.approx(25.0)
    assert set(window.series) >= {"net_out", "cpu_core_1", "mem_used", "load1", "disk_read"}
    assert "swap_used" not in window.series  # this machine has none
    assert (window.gaps, window.reason) == ((), None)
    assert window.sampled_at == watched.machine.now()


@pytest.mark.parametrize(("window_s", "tier"), [(3600, 2), (3 * 3600, 10), (DAY, 10), (7 * DAY, 60), (90 * DAY, 60)])
def test_a_spike_of_one_tick_is_the_most_of_every_window(watched, window_s, tier):
    watched.run(600)
    watched.run(2, per_s=10**9)
    watched.run(600)
    watched.history.flush()
    window = watched.window(window_s, points=10, names=("net_in",))
    assert window.grid.tier_s == tier
    assert np.nanmax(window.series["net_in"].most) == window.series["net_in"].summary.most == 10**9
    assert window.series["net_in"].summary.p95 < 10**9
    assert window.series["net_in"].summary.most_of == "2 s rates"
    spike_at = START + timedelta(seconds=5 + 600)
    assert abs((window.series["net_in"].summary.most_at - spike_at).total_seconds()) <= tier


def test_one_interface_has_its_own_history(watched):
    watched.machine.counters["eth1"] = Counters(0, 0)
    watched.run(60)
    watched.history.flush()
    for seconds in (300, 2 * 3600):
        assert set(known(watched.window(seconds, interface="eth1").series["net_in"])) == {0.0}
        assert set(known(watched.window(seconds, interface="eth0").series["net_in"])) == {1000.0}
        assert "net_in" not in watched.window(seconds, interface="wlan9").series
        assert "net_in@eth1" not in watched.window(seconds).series


def test_a_restart_is_a_gap_and_what_was_before_is_still_there(watched):
    watched.run(100)
    watched.restart(away_s=63)
    watched.run(100, per_s=3000)
    window = watched.window(300)
    assert window.grid.tier_s == 10
    (before, between) = window.gaps
    assert (before.reason, between.reason) == ("Ops Center was not running",) * 2
    assert between.end_s - between.start_s == pytest.approx(63)
    assert {1000.0, 3000.0} <= set(known(window.series["net_in"]))
    assert np.nansum(window.series["net_in"].gap) * 10 == pytest.approx(300 - 200 + 10, abs=11)


def test_a_quick_restart_within_a_slot_keeps_both_pieces(watched):
    watched.run(20)
    watched.restart(away_s=2)
    watched.run(20, per_s=4000)
    watched.history.close()
    (columns,) = HistoryFile(watched.path).read(COARSE_S, 0, 2e9, ("net_in",)).values()
    assert (columns.least.min(), columns.most.max()) == (1000.0, 4000.0)
    assert columns.known_s.sum() == pytest.approx(40)
    assert columns.mean @ columns.known_s / 40 == pytest.approx(2500.0)


def test_a_restart_after_a_crash_loses_at_most_what_was_not_written(watched):
    watched.run(120)
    watched.history.flush()
    watched.run(8)
    watched.machine.wait(30)
    watched.begin()  # the history before was never closed
    watched.run(20)
    before, gap = watched.window(300).gaps
    assert before.reason == "Ops Center was not running"
    assert gap.reason == "Ops Center was not running, or was killed before it had saved this"
    assert 30 <= gap.end_s - gap.start_s <= 30 + 8 + FLUSH_S


def test_how_the_run_before_ended_is_told_of_a_window_that_begins_after_its_end(watched):
    watched.run(120)
    watched.restart(away_s=7200)
    watched.run(20)
    assert [span.reason for span in watched.window(3600).gaps] == ["Ops Center was not running"]
    watched.history.flush()
    watched.machine.wait(7200)
    watched.begin()
    watched.run(20)
    (gap,) = watched.window(3600).gaps
    assert gap.reason == "Ops Center was not running, or was killed before it had saved this"
    watched.restart(away_s=30)
    watched.run(20)
    assert watched.window(300).gaps[-1].reason == "Ops Center was not running"
    assert watched.window(300).grid.tier_s == FINE_S


def test_a_run_that_went_on_after_its_end_was_marked_and_was_killed_then_is_not_called_ended(watched):
    watched.run(120)
    watched.history.close()
    watched.run(20)
    watched.history.flush()
    watched.machine.wait(30)
    watched.begin()
    watched.run(20)
    assert "was killed" in watched.window(300).gaps[-1].reason


def test_what_is_folded_reads_as_what_was_not(tmp_path):
    file, names = HistoryFile(tmp_path / "h.db"), ("cpu", "net_in")
    rng = np.random.default_rng(1)
    cells = rng.uniform(0, 1e9, (400, 2)).astype("<f4").astype(float)
    first = 360 * 1000
    slots = [Slot(FINE_S, first + n, names, cells[n], cells[n] / 2, cells[n] * 2, np.full(2, 10.0)) for n in range(400)]
    file.write(slots, {}, (first * 10.0, (first + 400) * 10.0))
    raw = file.read(FINE_S, first * 10, (first + 400) * 10, None)
    file.fold((first + 400) * 10.0, forget=True)
    folded = file.read(FINE_S, first * 10, (first + 400) * 10, None)
    with sqlite3.connect(file.path) as look:
        assert look.execute("select count(*) from slots").fetchone() == (40,)
        assert look.execute("select count(*) from blocks").fetchone() == (2,)
    look.close()
    file.close()
    for name in names:
        for part in ("start_s", "mean", "least", "most", "known_s"):
            ours = getattr(folded[name], part)[np.argsort(folded[name].start_s)][-400:]
            assert np.array_equal(ours, getattr(raw[name], part)), (name, part)


def test_a_reader_sees_the_file_of_one_moment_while_the_writer_folds(tmp_path):
    file = HistoryFile(tmp_path / "h.db")
    one = np.ones(1)
    file.write([Slot(FINE_S, 3600 + n, ("cpu",), one, one, one, one * 10) for n in range(360)], {}, (0.0, 1.0))
    stop, seen = threading.Event(), []

    def look():
        while not stop.is_set():
            seen.append(file.read(FINE_S, 36_000, 39_600, None)["cpu"].known_s.sum())

    looking = threading.Thread(target=look)
    looking.start()
    wait_until(lambda: seen)
    file.fold(80_000.0, forget=False)
    before = len(seen)
    wait_until(lambda: len(seen) > before + 1)
    stop.set()
    looking.join(10)
    file.close()
    assert set(seen) == {3600.0}


def test_a_piece_that_comes_after_its_hour_was_folded_is_added_to_it(tmp_path):
    file = HistoryFile(tmp_path / "h.db")
    slot = Slot(FINE_S, 3600, ("cpu",), np.array([4.0]), np.array([4.0]), np.array([4.0]), np.array([5.0]))
    for _ in range(2):
        file.write([slot], {}, (0.0, 1.0))
        file.fold(80_000.0, forget=False)
    columns = file.read(FINE_S, 36_000, 36_010, None)["cpu"]
    file.close()
    assert (np.nanmax(columns.mean), columns.known_s.max()) == (4.0, 10.0)


def test_what_is_older_than_is_kept_goes_and_the_file_stays_below_its_size(tmp_path):
    file = HistoryFile(tmp_path / "h.db")
    rng = np.random.default_rng(1)
    now_s = 100 * DAY + 30.0
    for day in range(0, 100, 10):
        made = [rng.uniform(0, 1e9, 20) for _ in range(3)]
        names = tuple(f"cpu_core_{n}" for n in range(20))
        number = day * 1440
        slots = [Slot(COARSE_S, number + n, names, *made, np.full(20, 60.0)) for n in range(5)]
        file.write(slots, {}, (day * float(DAY), day * DAY + 300.0))
    file.fold(now_s, forget=False)
    assert file.read(COARSE_S, 0, now_s, ("cpu_core_0",))["cpu_core_0"].known_s.sum() == 10 * 300
    file.fold(now_s, forget=True)
    assert file.read(COARSE_S, 0, now_s, ("cpu_core_0",))["cpu_core_0"].known_s.sum() == 9 * 300
    file.fold(now_s, forget=True, max_bytes=60_000)
    left = file.read(COARSE_S, 0, now_s, ("cpu_core_0",))["cpu_core_0"]
    file.close()
    assert 0 < left.known_s.sum() < 9 * 300
    assert left.start_s[left.known_s > 0].max() == 90 * DAY + 240  # the newest stay


def test_the_end_writes_what_is_open_though_another_thread_wrote_before(watched, monkeypatch):
    monkeypatch.setattr("data_sources.system.history.FLUSH_S", 0.01)
    watched.run(20)
    watched.history.start()
    wait_until(lambda: watched.path.exists() and HistoryFile(watched.path).spans(0, 2e9)[0])
    watched.run(8)
    watched.history.close()
    ((_, ended_s),) = HistoryFile(watched.path).spans(0, 2e9)[0]
    assert ended_s == watched.machine.now().timestamp()
    (columns,) = HistoryFile(watched.path).read(FINE_S, 0, 2e9, ("net_in",)).values()
    assert columns.known_s.sum() == pytest.approx(28)


def test_a_full_disk_costs_the_history_only_and_says_so(tmp_path, caplog):
    watched = Watched(tmp_path, min_free_bytes=2**62)
    watched.run(60)
    watched.history.flush()
    window = watched.window(300)
    assert window.series["net_in"].mean[-1] == 1000.0
    assert "the disk has" in window.reason
    assert caplog.text.count("the disk has") == 1
    watched.history._min_free = 0
    watched.history.flush()
    assert watched.window(300).reason is None
    watched.restart(away_s=10)  # and everything that waited has been written
    assert {1000.0} == set(known(watched.window(300).series["net_in"]))
    watched.history.close()


def test_a_disk_that_fills_within_a_write_loses_nothing_that_is_written_later(watched):
    watched.run(1200)
    watched.history._file.open()
    watched.history._file._writer.execute("pragma max_page_count = 1")  # what the disk says when it is full
    watched.history.flush()
    assert "disk is full" in watched.window(300).reason
    assert watched.window(300).series["net_in"].mean[-1] == 1000.0
    watched.run(20)
    watched.history.flush()
    assert watched.window(300).reason is None
    watched.history.close()
    (columns,) = HistoryFile(watched.path).read(FINE_S, 0, 2e9, ("net_in",)).values()
    assert columns.known_s.sum() == pytest.approx(1220)


def test_a_read_only_file_costs_the_history_only_and_says_so(tmp_path):
    (tmp_path / "history.db").mkdir()  # nothing can be written there, not even by root
    watched = Watched(tmp_path)
    watched.run(60)
    watched.history.flush()
    window = watched.window(300)
    assert "cannot be" in window.reason
    assert window.series["net_in"].mean[-1] == 1000.0
    assert watched.window(7 * DAY).series["net_in"].summary.most == 1000.0  # what waits in memory
    watched.history.close()


def test_an_hour_without_a_disk_waits_in_memory_and_then_the_oldest_goes(tmp_path):
    watched = Watched(tmp_path, min_free_bytes=2**62)
    watched.run(2 * 3600)
    assert len(watched.history._pending) <= 500
    window = watched.window(3 * 3600)
    assert "the history could not be written" in {span.reason for span in window.gaps}
    assert window.series["net_in"].mean[-1] == 1000.0
    watched.history._min_free = 0
    watched.history.close()


def test_a_damaged_file_is_moved_aside_and_never_deleted(tmp_path):
    (tmp_path / "history.db").write_bytes(b"this is no database" * 500)
    watched = Watched(tmp_path)
    watched.run(20)
    watched.history.flush()
    assert "history.db.damaged" in watched.window(300).reason
    first = (tmp_path / "history.db.damaged").read_bytes()
    assert first.startswith(b"this is no database")
    (tmp_path / "history.db").write_bytes(b"nor is this one")
    HistoryFile(tmp_path / "history.db").set_aside()
    assert (tmp_path / "history.db.damaged").read_bytes() == first
    assert (tmp_path / "history.db.damaged-2").read_bytes() == b"nor is this one"
    watched.run(20)
    watched.history.flush()
    assert watched.window(300).reason is None
    watched.history.close()


def damage(watched):
    """Spoil the file while the console runs; what was written before is gone."""
    watched.history.flush()
    watched.history._file.close()
    watched.path.write_bytes(b"this is no database" * 500)
    for ending in ("-wal", "-shm"):
        watched.path.with_name(f"history.db{ending}").unlink(missing_ok=True)


@pytest.mark.parametrize(("window_s", "slot_s"), [(2 * 3600, 10), (7 * DAY, 60)])
def test_a_time_whose_history_was_damaged_is_lost_and_not_one_in_which_nobody_ran(watched, window_s, slot_s):
    watched.run(600)
    damage(watched)
    damaged_s = watched.machine.now().timestamp()
    watched.run(100)
    (unread,) = watched.window(window_s).gaps
    assert "cannot be read" in unread.reason
    assert unread.end_s == pytest.approx(damaged_s, abs=slot_s)
    watched.history.flush()  # it is set aside
    watched.run(100)
    watched.restart(away_s=63)
    watched.run(100)
    lost, away = watched.window(window_s).gaps
    assert lost.reason == "Lost: the file of the history was damaged. It is kept as history.db.damaged"
    assert (lost.start_s, lost.of) == (watched.window(window_s).grid.t0_s, None)
    assert lost.end_s == pytest.approx(damaged_s, abs=slot_s)
    assert (away.reason, away.end_s - away.start_s) == ("Ops Center was not running", pytest.approx(63))


def test_what_memory_still_holds_is_not_lost_with_the_file(watched):
    watched.run(600)
    damage(watched)
    watched.run(20)
    assert watched.window(300).gaps == ()
    watched.history.flush()
    watched.run(20)
    assert watched.window(300).gaps == ()
    (before,) = watched.window(3600).gaps
    assert before.reason.startswith("Lost: ")
    assert before.end_s == pytest.approx(watched.machine.now().timestamp() - 640, abs=4)


@pytest.mark.parametrize("written_from", ["now on", "before"])
def test_what_is_older_than_the_file_can_have_held_is_not_called_lost(watched, written_from):
    watched.run(600)
    damage(watched)
    watched.run(20)
    now_s = watched.machine.now().timestamp()
    query = HistoryQuery(start_s=now_s - 100 * DAY, end_s=now_s)
    reasons = [span.reason for span in watched.history.window(query).gaps]
    assert reasons[0] == "older than what the history keeps"
    assert "cannot be read" in reasons[1]
    watched.history.flush()
    watched.run(20)
    watched.history.flush()
    if written_from == "before":  # the first versions wrote it from the beginning of time on
        watched.history.close()
        with sqlite3.connect(watched.path) as raw:
            raw.execute("update gaps set start_s = 0.0 where what = 'lost'")
        raw.close()
        watched.begin()
    older, lost = watched.history.window(query).gaps[:2]
    assert older.reason == "older than what the history keeps"
    assert lost.reason.startswith("Lost: ")
    assert lost.start_s == pytest.approx(now_s - 90 * DAY, abs=100)


def into_the_file(watched):
    """Write what there is, and past the log of writes: what stands in that is read from there."""
    watched.history.flush()
    watched.history._file._writer.execute("pragma wal_checkpoint(truncate)")


def overwritten(path):
    path.write_bytes(b"this is no database" * 500)


def cut_in_half(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 8192 * 4096)


def emptied(path):
    with path.open("r+b") as file:
        file.truncate(0)


def spoilt_in_the_middle(path):
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))


def query(*statements):
    def change(path):
        with sqlite3.connect(path, isolation_level=None) as file:
            for statement in statements:
                file.execute(statement)
        file.close()

    change.__name__ = statements[0]
    return change


SLOT_CUT = query("update slots set data = substr(data, 2)")
SLOT_NONSENSE = query("update slots set data = randomblob(length(data))")
SLOT_NAMELESS = query("update layouts set names = cast(x'ff' as text)")
BLOCK_CUT = query("update blocks set data = substr(data, 9)")
BLOCK_OF_OTHER = query("update blocks set data = x'789c030000000001'")  # nothing, well compressed
TABLE_GONE = query("drop table blocks")
TIME_NONE = query("update runs set end_s = 'x'")


@pytest.mark.parametrize(
    "spoil",
    [
        overwritten,
        cut_in_half,
        emptied,
        spoilt_in_the_middle,
        SLOT_CUT,
        SLOT_NONSENSE,
        SLOT_NAMELESS,
        BLOCK_CUT,
        BLOCK_OF_OTHER,
        TABLE_GONE,
        TIME_NONE,
    ],
)
def test_a_damaged_file_that_a_reader_finds_is_told_and_set_aside_and_the_history_begins_anew(watched, spoil):
    """The writer has it open all the while, and alone might not notice for long."""
    for _ in range(3):  # an hour of it is folded
        watched.run(1800)
        into_the_file(watched)
    spoil(watched.path)
    watched.run(20)
    window = watched.window(2 * 3600)
    assert window.reason.startswith("The history is damaged and cannot be read: ")
    assert window.reason in {span.reason for span in window.gaps}
    assert window.series["net_in"].mean[-1] == 1000.0, "what memory holds is there all the same"
    watched.history.flush()
    aside = watched.path.with_name("history.db.damaged")
    assert "it was moved to history.db.damaged and begins anew" in watched.window(2 * 3600).reason
    watched.run(20, per_s=3000)
    watched.history.flush()
    window = watched.window(2 * 3600)
    assert window.reason is None
    lost = window.gaps[-1]
    assert lost.reason == "Lost: the file of the history was damaged. It is kept as history.db.damaged"
    assert np.nanmax(window.series["net_in"].most) == 3000.0
    watched.history.close()
    (columns,) = HistoryFile(watched.path).read(FINE_S, 0, 2e9, ("net_in",)).values()
    assert columns.most.max() == 3000.0
    assert aside.exists()


def test_the_writer_sets_a_damaged_file_aside_as_soon_as_a_reader_has_found_it(watched, monkeypatch):
    monkeypatch.setattr("data_sources.system.history.FLUSH_S", 3600.0)
    watched.run(600)
    into_the_file(watched)
    watched.history.start()
    overwritten(watched.path)
    watched.window(2 * 3600)
    wait_until(watched.path.with_name("history.db.damaged").exists)


def test_what_a_reader_finds_in_a_file_that_was_set_aside_meanwhile_does_not_move_the_new_one(tmp_path):
    file, one = HistoryFile(tmp_path / "h.db"), np.ones(1)
    file.write([Slot(FINE_S, 3600, ("cpu",), one, one, one, one * 10)], {}, (0.0, 1.0))

    def read_meanwhile():
        with file._noting_damage():
            file.set_aside()
            raise DamagedError("in the file of before")

    with pytest.raises(DamagedError):
        read_meanwhile()
    assert file.damage is None
    file.close()


def test_damage_that_is_found_at_the_end_costs_nothing_of_the_time_since(watched):
    watched.run(600)
    into_the_file(watched)
    overwritten(watched.path)
    watched.run(60, per_s=3000)
    watched.window(2 * 3600)
    watched.restart(away_s=30)
    watched.run(20)
    lost, away = watched.window(2 * 3600).gaps
    assert lost.reason.startswith("Lost: ")
    assert (away.reason, away.end_s - away.start_s) == ("Ops Center was not running", pytest.approx(30))


@pytest.mark.parametrize("endings", [("",), ("", "-wal", "-shm")], ids=["the file alone", "all of it"])
def test_a_history_that_is_deleted_while_it_is_written_is_lost_and_not_a_time_in_which_nobody_ran(watched, endings):
    watched.run(600)
    into_the_file(watched)
    for ending in endings:
        watched.path.with_name(f"history.db{ending}").unlink(missing_ok=True)
    deleted_s = watched.machine.now().timestamp()
    watched.run(20)
    watched.history.flush()
    assert "the file of the history was deleted: it begins anew" in watched.window(2 * 3600).reason
    watched.run(100)
    watched.history.flush()
    assert watched.window(2 * 3600).reason is None
    watched.restart(away_s=30)
    watched.run(20)
    lost, away = watched.window(2 * 3600).gaps
    assert lost.reason == "Lost: the file of the history was deleted"
    assert lost.end_s == pytest.approx(deleted_s, abs=FINE_S)
    assert (away.reason, away.end_s - away.start_s) == ("Ops Center was not running", pytest.approx(30))


def test_a_file_that_was_put_in_its_place_is_written_on(watched, tmp_path):
    watched.run(600)
    watched.history.close()
    shutil.copy(watched.path, tmp_path / "copy.db")
    watched.begin()
    watched.run(60)
    watched.history.flush()
    os.replace(tmp_path / "copy.db", watched.path)
    watched.run(20)
    watched.history.close()
    (columns,) = HistoryFile(watched.path).read(FINE_S, 0, 2e9, ("net_in",)).values()
    assert len(columns.mean) > 60


def test_a_slot_is_taken_only_as_it_was_written_and_the_first_versions_without_a_checksum(tmp_path):
    file, one = HistoryFile(tmp_path / "h.db"), np.ones(1)
    file.write([Slot(FINE_S, 3600, ("cpu",), one, one, one, one * 10)], {}, (0.0, 1.0))
    file.close()
    with sqlite3.connect(tmp_path / "h.db") as raw:
        (data,) = raw.execute("select data from slots").fetchone()
        raw.execute("update slots set data = ?", (data[:-4],))
    (columns,) = file.read(FINE_S, 0, 2e9, ("cpu",)).values()
    assert columns.mean.tolist() == [1.0]
    with sqlite3.connect(tmp_path / "h.db") as raw:
        spoilt = np.array([1.5], "<f4").tobytes() + data[4:]  # a figure that could be, and was not
        raw.execute("update slots set data = ?", (spoilt,))
    with pytest.raises((DamagedError, GarbledError)):
        file.read(FINE_S, 0, 2e9, ("cpu",))


def test_a_file_of_a_newer_version_is_left_alone_by_writer_and_reader(tmp_path):
    with sqlite3.connect(tmp_path / "history.db") as file:
        file.execute("pragma user_version=99")
    file.close()
    before = (tmp_path / "history.db").read_bytes()
    watched = Watched(tmp_path)
    watched.run(20)
    assert "newer version" in watched.window(7 * DAY).reason
    watched.history.flush()
    assert "newer version" in watched.window(300).reason
    watched.history.close()
    assert (tmp_path / "history.db").read_bytes() == before


def test_gaps_come_with_their_reasons_over_a_restart_too(watched):
    watched.run(20)
    del watched.machine.counters["eth0"]
    watched.run(20)
    watched.machine.counters["eth0"] = Counters(0, 0)
    watched.run(20)
    watched.restart(away_s=10)
    watched.run(10)
    found = [(span.of, span.reason) for span in watched.window(300).gaps]
    assert ("network", "interface gone") in found
    assert ("network", "measuring") in found
    assert {span.of for span in watched.window(300, names=("cpu",)).gaps} == {None}  # only when nobody measured


def test_an_interface_that_is_gone_for_long_still_says_so(watched):
    watched.machine.counters["veth1"] = Counters(0, 0)
    watched.run(60)
    del watched.machine.counters["veth1"]
    watched.run(600)  # after five minutes the sampler lists it no more
    for seconds in (700, 2 * 3600):
        window = watched.window(seconds, interface="veth1", points=1000)
        (gone,) = [span for span in window.gaps if span.reason == "interface gone"]
        assert gone.of == "network"
        assert gone.end_s == window.grid.end_s
        assert gone.end_s - gone.start_s == pytest.approx(600, abs=window.grid.step_s)
    never = watched.window(300, interface="wlan9", names=("net_in",))
    assert (never.series, [span.reason for span in never.gaps]) == ({}, ["interface gone"])


def test_a_tick_that_is_late_but_not_too_late_leaves_no_hole(watched):
    watched.run(60)
    for late, then in ((0.4, 1.6), (1.0, 1.0), (0.99, 1.01)):
        watched.machine.wait(2 + late)
        watched.machine.receive("eth0", int((2 + late) * 1000))
        watched.sampler.tick()
        watched.machine.wait(then)
        watched.machine.receive("eth0", int(then * 1000))
        watched.sampler.tick()
        watched.run(20)
    window = watched.window(100, names=("net_in", "mem_used"))
    assert set(known(window.series["net_in"]).round(3)) == {1000.0}
    assert len(known(window.series["net_in"])) == window.grid.count
    assert window.series["net_in"].gap.max() == 0
    assert window.gaps == ()


def test_a_stall_is_a_gap_of_everything_and_draws_no_level_over_it(watched):
    watched.run(60)
    watched.machine.wait(30)
    watched.sampler.tick()
    watched.run(60)
    for seconds in (300, 2 * 3600):
        window = watched.window(seconds, points=1000)
        (stall,) = [span for span in window.gaps if span.reason == "late sample"]
        assert (stall.of, stall.end_s - stall.start_s) == (None, pytest.approx(30))
        middle = int((stall.start_s + 15 - window.grid.t0_s) / window.grid.step_s)
        assert np.isnan(window.series["mem_used"].mean[middle])


def test_a_clock_that_is_set_moves_the_slots_and_never_a_rate(watched):
    watched.run(60)
    watched.machine.clock_offset_s = 3600.0
    watched.run(60)
    window = watched.window(2 * 3600)
    assert {1000.0} == set(known(window.series["net_in"]))
    (jump,) = [span for span in window.gaps if span.reason.startswith("the clock was set forward")]
    assert jump.end_s - jump.start_s == pytest.approx(3600)
    watched.machine.clock_offset_s = 0.0
    watched.run(60)
    window = watched.window(2 * 3600)
    assert {1000.0} == set(known(window.series["net_in"]))
    assert watched.history.window(HistoryQuery(window_s=300)).series["net_in"].summary.most == 1000.0


def test_a_clock_that_is_set_back_beyond_the_start_is_no_time_in_which_nobody_ran(watched):
    watched.run(600)
    watched.history.flush()
    watched.machine.clock_offset_s = -7200.0
    watched.run(60)
    now_s = watched.machine.now().timestamp()
    gaps = [(round(now_s - span.start_s), round(now_s - span.end_s), span.reason) for span in watched.window(3600).gaps]
    assert (660, 60, "the clock was set back") in gaps
    assert next(gap for gap in gaps if "not running" in gap[2])[1] == 660


def test_eighty_one_interfaces_are_recorded_up_to_a_bound(watched):
    watched.machine.counters |= {f"veth{n}": Counters(n, n) for n in range(80)}
    watched.run(60)
    watched.history.flush()
    names = watched.history._ticks[-1].names
    assert sum(name.startswith("net_in@") for name in names) == 64
    assert watched.window(3 * 3600, interface="eth0").series["net_in"].summary.most == 1000.0


def test_without_a_file_the_last_hour_is_there(watched):
    alone = Watched(None)
    alone.run(60)
    assert alone.window(300).series["net_in"].mean[-1] == 1000.0
    alone.history.close()
