"""Parsing what operating systems write: texts of real machines in texts/."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.machine import probe

TEXTS = Path(__file__).parent / "texts"


def text(name: str) -> str:
    return (TEXTS / f"{name}.txt").read_text()


def test_zen5() -> None:
    cpu = probe.linux_cpu(text("cpuinfo-zen5"))
    assert (cpu.vendor, cpu.physical_cores, cpu.performance_cores, cpu.logical_cores) == ("amd", 2, 2, 2)
    assert cpu.instruction_sets == ("avx2", "avx512", "vnni", "bf16")


def test_hybrid_cores_are_told_apart_by_their_threads() -> None:
    cpu = probe.linux_cpu(text("cpuinfo-hybrid"))
    assert (cpu.vendor, cpu.physical_cores, cpu.performance_cores, cpu.logical_cores) == ("intel", 6, 2, 8)
    assert cpu.instruction_sets == ("avx2", "vnni")


def test_hybrid_cores_as_the_kernel_lists_them() -> None:
    cpu = probe.linux_cpu(text("cpuinfo-hybrid"), performance=probe.cpu_list("0-3\n"))
    assert (cpu.physical_cores, cpu.performance_cores) == (6, 2)


@pytest.mark.parametrize(("allowed", "cores"), [("0-1", (1, 1, 2)), ("0,2", (2, 2, 2)), ("4-7", (4, 4, 4))])
def test_affinity_limits_the_cores(allowed: str, cores: tuple[int, int, int]) -> None:
    cpu = probe.linux_cpu(text("cpuinfo-hybrid"), allowed=probe.cpu_list(allowed))
    assert (cpu.physical_cores, cpu.performance_cores, cpu.logical_cores) == cores


def test_raspberry_pi() -> None:
    cpu = probe.linux_cpu(text("cpuinfo-raspberry-pi-5"))
    assert cpu.model == "Raspberry Pi 5 Model B Rev 1.0"
    assert (cpu.vendor, cpu.physical_cores, cpu.instruction_sets) == ("arm", 4, ("neon",))


def test_a_text_without_processors_is_refused() -> None:
    with pytest.raises(ValueError, match="no processor"):
        probe.linux_cpu("nothing here")


@pytest.mark.parametrize(
    ("name", "apple", "fanless", "cores", "sets"),
    [
        ("sysctl-m2-pro", "M2 Pro", False, (12, 8, 12), ("bf16", "neon")),
        ("sysctl-m1-air", "M1", True, (8, 4, 8), ("neon",)),
        ("sysctl-intel-mac", None, False, (6, 6, 12), ("avx2",)),
    ],
)
def test_macs(name: str, apple: str | None, fanless: bool, cores: tuple[int, ...], sets: tuple[str, ...]) -> None:
    found = probe.mac(text(name))
    assert (found.apple, found.fanless) == (apple, fanless)
    assert (found.cpu.physical_cores, found.cpu.performance_cores, found.cpu.logical_cores) == cores
    assert found.cpu.instruction_sets == sets


@pytest.mark.parametrize(
    ("model", "fanless"),
    [("Mac14,2", True), ("Mac14,15", True), ("Mac16,12", True), ("Mac14,3", False), ("Mac14,14", False)],
)
def test_fanless_airs(model: str, fanless: bool) -> None:
    assert probe.mac(text("sysctl-m1-air").replace("MacBookAir10,1", model)).fanless is fanless


@pytest.mark.parametrize(
    ("version", "wsl2"),
    [
        ("Linux version 5.15.153.1-microsoft-standard-WSL2 (root@941d701f84f1) (gcc 11.2.0) #1 SMP", True),
        ("Linux version 6.8.0-45-generic (buildd@lcy02) (x86_64-linux-gnu-gcc-13) #45-Ubuntu SMP", False),
    ],
)
def test_wsl2_by_the_kernels_version(version: str, wsl2: bool) -> None:
    assert probe.is_wsl2(version) is wsl2


def limits(self_cgroup: str, **files: str) -> probe.Limits:
    return probe.cgroup_limits(self_cgroup, {f"/sys/fs/cgroup/{k}": v for k, v in files.items()}.get)


def test_cgroup_v2_container() -> None:
    found = limits(
        "0::/\n",
        **{
            "memory.max": "4294967296\n",
            "memory.current": "1000000000\n",
            "memory.stat": "anon 1\nfile 2\ninactive_file 400000000\n",
            "cpu.max": "200000 100000\n",
            "cpu.stat": "usage_usec 2500000\nuser_usec 1500000\n",
        },
    )
    assert found == probe.Limits(memory=4294967296, memory_used=600000000, cpus=2.0, cpu_seconds=2.5)


def test_cgroup_v2_takes_the_tightest_ancestor() -> None:
    found = limits(
        "0::/user.slice/run-1.scope\n",
        **{
            "user.slice/memory.max": "2000\n",
            "user.slice/memory.current": "500\n",
            "user.slice/run-1.scope/memory.max": "max\n",
            "user.slice/run-1.scope/cpu.max": "150000 100000\n",
            "user.slice/cpu.max": "max 100000\n",
        },
    )
    assert found == probe.Limits(memory=2000, memory_used=500, cpus=1.5)


def test_cgroup_v1_container() -> None:
    found = limits(
        "12:memory:/docker/abc\n5:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n",
        **{
            "memory/memory.limit_in_bytes": "4294967296\n",
            "memory/memory.usage_in_bytes": "300\n",
            "memory/memory.stat": "cache 5\ntotal_inactive_file 100\n",
            "cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
            "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "cpuacct/cpuacct.usage": "1500000000\n",
        },
    )
    assert found == probe.Limits(memory=4294967296, memory_used=200, cpus=0.5, cpu_seconds=1.5)


def test_cgroup_without_limits() -> None:
    unlimited = {"memory/memory.limit_in_bytes": "9223372036854771712\n", "cpu/cpu.cfs_quota_us": "-1\n"}
    v1 = limits("4:memory:/x\n1:cpu:/\n0::/\n", **unlimited)
    v2 = limits("0::/\n", **{"memory.max": "max\n", "cpu.max": "max 100000\n"})
    assert v1 == v2 == limits("") == probe.Limits()


@pytest.mark.parametrize(("quota", "cores"), [(None, (6, 2, 8)), (2.5, (2, 2, 2)), (4.0, (4, 2, 4)), (0.5, (1, 1, 1))])
def test_a_cpu_quota_limits_the_cores(quota: float | None, cores: tuple[int, int, int]) -> None:
    cpu = probe.limit_cores(probe.linux_cpu(text("cpuinfo-hybrid")), quota)
    assert (cpu.physical_cores, cpu.performance_cores, cpu.logical_cores) == cores
