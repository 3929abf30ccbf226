"""What the operating systems write about a machine, read by pure functions from text to facts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import get_args

from cluster.machine.profile import Cpu, InstructionSet, Vendor

VENDORS: dict[str, Vendor] = {"AuthenticAMD": "amd", "HygonGenuine": "amd", "GenuineIntel": "intel"}
# Flag or feature as the kernel spells it -> our name (linux: arch/x86 cpufeatures.h, Documentation/arm64/elf_hwcaps).
FLAGS: dict[str, InstructionSet] = {
    "avx2": "avx2",
    "avx512f": "avx512",
    "avx512_vnni": "vnni",
    "avx_vnni": "vnni",
    "avx512_bf16": "bf16",
    "bf16": "bf16",
    "amx_tile": "amx",
    "asimd": "neon",
    "neon": "neon",
}
ORDER: tuple[InstructionSet, ...] = get_args(InstructionSet)
# The Airs from the M2 on carry no "Air" in hw.model (support.apple.com/102869).
FANLESS = re.compile(r"MacBookAir|Mac14,(2|15)$|Mac15,(12|13)$|Mac16,(12|13)$")
NO_LIMIT = 1 << 60  # cgroup v1 writes 2^63 rounded down to a page for "no limit"


def instruction_sets(flags: Iterable[str]) -> tuple[InstructionSet, ...]:
    """The instruction sets that matter here, of a CPU with these flags."""
    found = {FLAGS[flag] for flag in flags if flag in FLAGS}
    return tuple(name for name in ORDER if name in found)


def cpu_list(text: str) -> frozenset[int]:
    """The kernel's list format: "0-3,8" -> {0, 1, 2, 3, 8}."""
    cpus: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return frozenset(cpus)


def linux_cpu(cpuinfo: str, allowed: frozenset[int] | None = None, performance: frozenset[int] | None = None) -> Cpu:
    """The CPU of a Linux machine from /proc/cpuinfo.

    `allowed` are the logical CPUs of this process (affinity), None for all; `performance` those of
    /sys/devices/cpu_core/cpus on hybrid Intel chips. Without it, a mix of cores with one and with two threads is read
    as efficiency and performance cores. Raises ValueError where the text lists no processor.
    """
    blocks, board = [], ""
    for block in re.split(r"\n\s*\n", cpuinfo.strip()):
        fields = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in block.splitlines())}
        board = fields.get("Model", board)
        if "processor" in fields:
            blocks.append(fields)
    everything = blocks
    if allowed is not None:
        blocks = [b for b in blocks if int(b["processor"]) in allowed]
    if not blocks:
        raise ValueError("/proc/cpuinfo lists no processor that this process may use")

    def core(fields: dict[str, str]) -> tuple[str, str]:
        return fields.get("physical id", "0"), fields.get("core id", "cpu" + fields["processor"])

    cores = {core(b) for b in blocks}
    widths = Counter(core(b) for b in everything)
    if performance:
        fast = {core(b) for b in blocks if int(b["processor"]) in performance}
    elif {1, 2} == set(widths.values()):
        fast = {c for c in cores if widths[c] == 2}
    else:
        fast = cores
    first = blocks[0]
    arm = "CPU implementer" in first
    return Cpu(
        vendor="arm" if arm else VENDORS.get(first.get("vendor_id", ""), "unknown"),
        model=board or first.get("model name", "unknown"),
        physical_cores=len(cores),
        performance_cores=len(fast) or len(cores),
        logical_cores=len(blocks),
        instruction_sets=instruction_sets((first.get("flags") or first.get("Features") or "").split()),
    )


@dataclass(frozen=True, slots=True)
class Mac:
    """A Mac: `apple` is the chip's name without the maker ("M2 Pro"), None with an Intel CPU."""

    cpu: Cpu
    apple: str | None
    fanless: bool


def mac(sysctl: str) -> Mac:
    """A Mac from the output of `sysctl -a`. Raises ValueError where the core counts are missing."""
    values = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in sysctl.splitlines())}
    try:
        physical, logical = int(values["hw.physicalcpu"]), int(values["hw.logicalcpu"])
    except KeyError as error:
        raise ValueError(f"sysctl shows no {error.args[0]}") from None
    brand = values.get("machdep.cpu.brand_string", "unknown")
    chip = re.match(r"Apple (M\d+(?: Pro| Max| Ultra)?)", brand)
    vendor: Vendor
    sets: tuple[InstructionSet, ...]
    if chip:
        vendor, sets = "apple", ("bf16", "neon") if values.get("hw.optional.arm.FEAT_BF16") == "1" else ("neon",)
    else:
        features = f"{values.get('machdep.cpu.features', '')} {values.get('machdep.cpu.leaf7_features', '')}"
        vendor, sets = "intel", instruction_sets(features.lower().split())
    fast = int(values.get("hw.perflevel0.physicalcpu", physical))
    cpu = Cpu(vendor, brand, physical, min(fast, physical), logical, sets)
    return Mac(cpu, chip and chip.group(1), bool(chip and FANLESS.match(values.get("hw.model", ""))))


def is_wsl2(proc_version: str) -> bool:
    """WSL2's kernel calls itself "...-microsoft-standard-WSL2"."""
    return "microsoft" in proc_version.lower()


@dataclass(frozen=True, slots=True)
class Limits:
    """What the control group allows: None is no limit. Memory in bytes, `memory_used` without reclaimable cache;
    `cpu_seconds` is what the group whose quota is `cpus` has used since it began."""

    memory: int | None = None
    memory_used: int | None = None
    cpus: float | None = None
    cpu_seconds: float | None = None


def cgroup_limits(self_cgroup: str, read: Callable[[str], str | None]) -> Limits:
    """The tightest limits of this process's control group and its ancestors, v1 and v2.

    `self_cgroup` is the text of /proc/self/cgroup; `read` gives a file's text, or None where there is none. In a
    container the group's own path is often not visible, and its limits stand at the root of the mount instead.
    """
    paths: dict[str, str] = {}
    for line in self_cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            paths[name] = path
    best = Limits()
    for directory in _ancestors("/sys/fs/cgroup", paths.get("", "/")):
        memory, used = _number(read(f"{directory}/memory.max")), _number(read(f"{directory}/memory.current"))
        best = _less_memory(best, memory, used, _stat(read(f"{directory}/memory.stat"), "inactive_file"))
        share, _, per = (read(f"{directory}/cpu.max") or "max").strip().partition(" ")
        spent = _stat(read(f"{directory}/cpu.stat"), "usage_usec")
        best = _fewer_cpus(best, _number(share), _number(per), spent and spent / 1e6)
    for directory in _ancestors("/sys/fs/cgroup/memory", paths.get("memory", "/")):
        memory = _number(read(f"{directory}/memory.limit_in_bytes"))
        used = _number(read(f"{directory}/memory.usage_in_bytes"))
        best = _less_memory(best, memory, used, _stat(read(f"{directory}/memory.stat"), "total_inactive_file"))
    for mount in ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"):
        for directory in _ancestors(mount, paths.get("cpu", "/")):
            quota, period = (_number(read(f"{directory}/cpu.cfs_{name}_us")) for name in ("quota", "period"))
            spent = _number(read(f"{directory.replace(mount, '/sys/fs/cgroup/cpuacct')}/cpuacct.usage"))
            best = _fewer_cpus(best, quota, period, spent and spent / 1e9)
    return best


def limit_cores(cpu: Cpu, quota: float | None) -> Cpu:
    """A CPU quota of 2.5 gives 2 cores, as Ray counts them; at least one."""
    if quota is None:
        return cpu
    most = max(1, int(quota))
    return Cpu(
        cpu.vendor,
        cpu.model,
        min(cpu.physical_cores, most),
        min(cpu.performance_cores, most),
        min(cpu.logical_cores, most),
        cpu.instruction_sets,
    )


def _ancestors(mount: str, path: str) -> list[str]:
    parts = [p for p in PurePosixPath(path).parts if p not in ("/", "..")]
    return ["/".join([mount, *parts[:depth]]) for depth in range(len(parts), -1, -1)]


def _number(text: str | None) -> int | None:
    """The number in a control file; None for absent, "max", -1 or v1's huge "no limit"."""
    try:
        value = int((text or "").strip())
    except ValueError:
        return None
    return value if 0 <= value < NO_LIMIT else None


def _stat(text: str | None, key: str) -> int | None:
    found = re.search(rf"^{key} (\d+)$", text or "", re.MULTILINE)
    return int(found.group(1)) if found else None


def _less_memory(best: Limits, memory: int | None, used: int | None, cache: int | None) -> Limits:
    if memory is None or (best.memory is not None and memory >= best.memory):
        return best
    return replace(best, memory=memory, memory_used=max(0, (used or 0) - (cache or 0)))


def _fewer_cpus(best: Limits, quota: int | None, period: int | None, seconds: float | None) -> Limits:
    if not quota or not period or (best.cpus is not None and quota / period >= best.cpus):
        return best
    return replace(best, cpus=quota / period, cpu_seconds=seconds)
