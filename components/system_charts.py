"""What each chart of the system page shows: series as the history names them, their words and their colours."""

from __future__ import annotations

from components.live_chart import LiveChart

_ELSEWHERE = (
    "Sensors and graphics processors are read on this machine alone: another host's are not asked of its Prometheus."
)
_NO_DISKS = "The sampler found no whole disks on this system."
# Heights: the panels of a row end together.
NETWORK_PX, SIDE_PX, DISK_PX, WIDE_PX = 300, 220, 136, 260

CHARTS: dict[str, LiveChart] = {
    # Overview
    "system-network": LiveChart(
        "Network rates",
        "rate",
        (("net_in", "received", "s0"), ("net_out", "sent", "s2")),
        height_px=NETWORK_PX,
        family="network",
    ),
    "system-cpu": LiveChart(
        "CPU",
        "percent",
        (("cpu", "all cores", "text"),),
        sub="busy, all and per core",
        height_px=SIDE_PX,
        match="cpu_core_",
        word="core",
        color="other",
        most=64,
        whole=True,
    ),
    "system-modes": LiveChart(
        "CPU by mode",
        "percent",
        (
            ("cpu_user", "user", "s0"),
            ("cpu_system", "system", "s1"),
            ("cpu_iowait", "waiting for disks", "s2"),
            ("cpu_steal", "taken by the host", "s3"),
        ),
        sub="share of all cores",
        height_px=SIDE_PX,
        absent="No modes of the CPU",
        why="The sampler found no times by mode on this system.",
    ),
    "system-loads": LiveChart(
        "Load",
        "plain",
        (("load15", "15 min", "q0"), ("load5", "5 min", "q1"), ("load1", "1 min", "q2")),
        sub="tasks that run or wait",
        height_px=SIDE_PX,
        absent="No load in this window",
        why="The sampler found none on this system.",
    ),
    "system-memory": LiveChart(
        "Memory",
        "bytes",
        (
            ("mem_used", "in use", "text-2"),
            ("mem_limit_used", "of the control group's limit", "s4"),
            ("swap_used", "swap", "s6"),
        ),
        sub="in use",
        height_px=SIDE_PX,
        whole=True,
        of="mem_used",
    ),
    "system-pressure": LiveChart(
        "Pressure",
        "percent",
        (
            ("psi_cpu", "for a CPU", "s0"),
            ("psi_mem", "for memory", "s1"),
            ("psi_io", "for disks", "s2"),
        ),
        sub="time in which a task waited",
        height_px=SIDE_PX,
        absent="No pressure figures",
        why="The sampler found no /proc/pressure here. It comes with Linux 4.20 and may be switched off.",
    ),
    "system-disk": LiveChart(
        "Disk rates",
        "rate",
        (("disk_read", "read", "s1"), ("disk_write", "written", "s3")),
        sub="whole disks",
        height_px=DISK_PX,
        family="disk",
        absent="No devices",
        why=_NO_DISKS,
    ),
    "system-temperatures": LiveChart(
        "Temperatures",
        "celsius",
        match="temp_",
        slow=True,
        height_px=SIDE_PX,
        most=8,
        absent="No temperatures",
        why="The sampler found no sensors here. Virtual machines and containers seldom have any.",
        elsewhere=_ELSEWHERE,
    ),
    "system-gpu": LiveChart(
        "GPU",
        "percent",
        match="gpu_",
        word="GPU",
        numbered=True,
        beside=(("gpu_mem_", "bytes"), ("gpu_temp_", "celsius"), ("gpu_power_", "watts")),
        sub="busy",
        slow=True,
        height_px=SIDE_PX,
        most=8,
        absent="No GPU",
        why="The sampler found none. It asks NVIDIA's driver where nvidia-ml-py is installed.",
        elsewhere=_ELSEWHERE,
    ),
    # Network
    "system-traffic": LiveChart(
        "Received and sent",
        "rate",
        (("net_in", "received", "s0"), ("net_out", "sent", "s2")),
        height_px=WIDE_PX,
        family="network",
    ),
    "system-faults": LiveChart(
        "Errors and drops",
        "events",
        (
            ("net_err_in", "errors received", "s6"),
            ("net_err_out", "errors sent", "s2"),
            ("net_drop_in", "drops received", "s3"),
            ("net_drop_out", "drops sent", "s4"),
        ),
        sub="frames a second",
        height_px=SIDE_PX,
        named=True,
        absent="No errors and drops",
        why="The sampler found no counts of them for what is chosen.",
    ),
    # Disk
    "system-io": LiveChart(
        "Read and written",
        "rate",
        (("disk_read", "read", "s1"), ("disk_write", "written", "s3")),
        sub="sum of the whole disks",
        height_px=WIDE_PX,
        family="disk",
        absent="No devices",
        why=_NO_DISKS,
    ),
    "system-reads": LiveChart(
        "Read by device",
        "rate",
        sub="by device",
        height_px=SIDE_PX,
        family="disk",
        match="disk_read_",
        most=12,
        absent="No devices",
        why=_NO_DISKS,
    ),
    "system-writes": LiveChart(
        "Written by device",
        "rate",
        sub="by device",
        height_px=SIDE_PX,
        family="disk",
        match="disk_write_",
        most=12,
        absent="No devices",
        why=_NO_DISKS,
    ),
    "system-filling": LiveChart(
        "Space in use",
        "bytes",
        sub="by file system",
        height_px=SIDE_PX,
        match="mount_used_",
        slow=True,
        most=8,
        absent="No file systems in this window",
        why="They are asked every 10 s; none has answered yet.",
    ),
}
