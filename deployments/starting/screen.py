"""What a start tells the person at the terminal, as lines of text. Pure."""

from __future__ import annotations

from cluster.machine.profile import HardwareProfile
from cluster.planning.plan import StagePlan
from cluster.planning.pools import Pools
from deployments.settings import Settings
from deployments.starting.config_file import EVERY_ADDRESS, THIS_MACHINE

FEW_WEIGHTS = 100_000_000  # S1-mini has 700 million, the starter 12
WIDTH = 18  # of the first column
TRY = """curl -f {url}/v1/tts{key} -H 'content-type: application/json' -d '{{"text": "Hello."}}' -o hello.wav"""


def found(machine: HardwareProfile) -> list[str]:
    """The machine."""
    cpu = machine.cpu
    sets = f", {' '.join(cpu.instruction_sets)}" if cpu.instruction_sets else ""
    rows = [
        ("CPU", f"{cpu.model}, {_count(cpu.physical_cores, 'core')}{sets}"),
        ("RAM", f"{machine.ram_available / 1e9:.1f} of {machine.ram_total / 1e9:.1f} GB free"),
    ]
    for gpu in machine.gpus:
        free = f"{gpu.vram_free / 1e9:.1f} of {gpu.vram_total / 1e9:.1f} GB free"
        rows.append((f"GPU {gpu.index}", f"{gpu.name}, {free}{f': not used, {gpu.problem}' if gpu.problem else ''}"))
    if machine.apple:
        rows.append(("GPU", f"Apple {machine.apple}"))
    return _table(rows)


def runs(settings: Settings, planned: Pools) -> list[str]:
    """The checkpoint, and each stage of each pool on a line."""
    rows = [("checkpoint", settings.checkpoint), ("voices", settings.voices_url)]
    for pool, plan in planned.plans.items():
        several = f" ({pool})" if len(planned.plans) > 1 else ""
        rows += [(f"{name.replace('_', '-')}{several}", _stage(stage)) for name, stage in plan.stages.items()]
    return _table(rows)


def scarce(planned: Pools) -> list[str]:
    """A warning where memory is so little that something was given up for it."""
    return list(dict.fromkeys(plan.warning for plan in planned.plans.values() if plan.warning))


def slow(planned: Pools, weights: int) -> list[str]:
    """A warning where a listener would hear gaps. A tier's expected RTF is that of S1-mini; a checkpoint of few
    `weights` is faster."""
    rtf = planned.first.expected_rtf
    if rtf <= 1 or weights < FEW_WEIGHTS:
        return []
    tier = planned.first.tier
    return [f"Expect gaps in streamed speech: a second of it takes some {rtf:g} s on this machine (tier {tier})."]


def kernels(reason: str | None) -> list[str]:
    """A warning where the native kernels are missing."""
    if reason is None:
        return []
    return [
        f"The native kernels cannot be used ({reason}): speech takes some 20 times as long without them. "
        "Install a C++ compiler (Debian, Ubuntu: apt install g++) and start again."
    ]


def ready(config_host: str, port: int, keys: int) -> list[str]:
    """The address, who can reach it, and a first request."""
    url = f"http://localhost:{port}"
    reach = {
        THIS_MACHINE: "this machine alone; HOST=0.0.0.0 opens it to the network",
        EVERY_ADDRESS: "every machine of the network",
    }.get(config_host, f"whoever reaches {config_host}")
    key = " -H 'Authorization: Bearer YOUR_KEY'" if keys else ""
    rows = [
        ("page", url),
        ("reached by", reach),
        ("keys", f"{_count(keys, 'key')} from SHOAL_API_KEYS" if keys else "none asked for"),
        ("try", TRY.format(url=url, key=key)),
    ]
    return ["Shoal is ready.", *_table(rows)]


def _stage(stage: StagePlan) -> str:
    weights = stage.precision if stage.quantization == "none" else stage.quantization
    width = f", {_count(stage.slots, 'stream')} at once"
    replicas = f", up to {stage.max_replicas} replicas" if stage.max_replicas > 1 else ""
    return f"{stage.device}, {weights}, {_count(stage.threads, 'thread')}{width}{replicas}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _table(rows: list[tuple[str, str]]) -> list[str]:
    return [f"  {name:<{WIDTH}} {value}" for name, value in rows]
