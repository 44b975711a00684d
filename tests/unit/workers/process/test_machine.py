"""What a process may use: the least of hardware, affinity, and every control group around it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rollq.tasks.config.settings import Settings
from rollq.workers.process.capacity import available_resources
from rollq.workers.process.machine import Machine, this_machine

V1 = "{0} 1 0:1 {root} {top}/{name} rw - cgroup cgroup rw,{name}\n"
V2 = "30 1 0:2 {root} {top} rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(os, "sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else 16 * 2**30 // 4096)


def proc(folder: Path, cgroup: str, mountinfo: str, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    made = folder / "proc"
    made.mkdir()
    (made / "cgroup").write_text(cgroup)
    (made / "mountinfo").write_text("22 1 0:20 / / rw - ext4 /dev/vda rw\n" + mountinfo)
    return made


def v1(folder: Path, path: str, root: str, files: dict[str, str]) -> Path:
    mounts = "".join(V1.format(n, root=root, top=folder, name=name) for n, name in enumerate(("memory", "cpu,cpuacct")))
    return proc(folder, f"5:memory:{path}\n4:cpu,cpuacct:{path}\n1:name=systemd:/\n0::/\n", mounts, files)


def v2(folder: Path, path: str, root: str, files: dict[str, str]) -> Path:
    return proc(folder, f"0::{path}\n", V2.format(root=root, top=str(folder).replace(" ", r"\040")), files)


def test_without_limits_it_is_the_hardware(tmp_path: Path) -> None:
    unlimited = {"memory/memory.limit_in_bytes": "9223372036854771712", "cpu,cpuacct/cpu.cfs_quota_us": "-1"}
    assert this_machine(v1(tmp_path, "/", "/", unlimited)) == Machine(8, 16 * 2**30)
    assert this_machine(tmp_path / "nowhere") == Machine(8, 16 * 2**30)
    (tmp_path / "two").mkdir()
    maximum = {"a/cpu.max": "max 100000", "a/memory.max": "max"}
    assert this_machine(v2(tmp_path / "two", "/a", "/", maximum)) == Machine(8, 16 * 2**30)


def test_version_1(tmp_path: Path) -> None:
    files = {
        "memory/a/b/memory.limit_in_bytes": "9223372036854771712",
        "memory/a/memory.limit_in_bytes": "1500000000",
        "cpu,cpuacct/a/b/cpu.cfs_quota_us": "250000",
        "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000",
    }
    found = this_machine(v1(tmp_path, "/a/b", "/", files))
    assert found == Machine(2.5, 1.5e9)
    assert found.cores == 2


def test_version_2_limits_of_each_group_around_hold(tmp_path: Path) -> None:
    folder = tmp_path / "a blank"
    folder.mkdir()
    files = {
        "slice/cpu.max": "300000 100000",
        "slice/memory.max": "4000000000",
        "slice/job/cpu.max": "max 100000",
        "slice/job/memory.max": "max",
        "slice/job/memory.high": "3000000000",
    }
    assert this_machine(v2(folder, "/slice/job", "/", files)) == Machine(3, 3e9)


@pytest.mark.parametrize(
    ("path", "root"), [("/docker/x", "/docker/x"), ("/", "/"), ("/../y", "/"), ("/kube/z", "/docker/x")]
)
def test_a_container_sees_its_group_as_the_whole(tmp_path: Path, path: str, root: str) -> None:
    files = {"cpu.max": "50000 100000", "memory.max": "2000000000"}
    found = this_machine(v2(tmp_path, path, root, files))
    assert found == Machine(0.5, 2e9)
    assert found.cores == 1


def test_affinity_is_a_limit_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert this_machine(v2(tmp_path, "/", "/", {"cpu.max": "400000 100000"})).processors == 1


def test_processes_share_what_the_container_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollq.workers.process.capacity.this_machine", lambda: Machine(2.5, 3e9))
    found = available_resources(Settings())
    assert (found.cpu, found.mem_gb) == (1.25, 1.5)
    assert available_resources(Settings(concurrency=6, mem_gb=4)).to_dict() == {"cpu": 1.0, "gpu": 0.0, "mem_gb": 4.0}
