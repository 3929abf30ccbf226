"""`python -m cluster detect | plan`: what this machine has, and what Shoal would run on it or on any other."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cluster.machine.hardware import detect
from cluster.machine.profile import HardwareProfile, ProfileError
from cluster.planning import pools
from cluster.planning.plan import Plan, PlanError, PlanOptions
from cluster.planning.tiers import TierError

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
SHOWN = ("device", "precision", "quantization", "compile", "threads", "slots", "num_cpus", "num_gpus", "memory_gb")
HINT = "--explain gives the rule behind each figure."
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("detect")
def detect_command(as_json: AsJson = False) -> None:
    """What this machine has."""
    profile = detect()
    if as_json:
        print(profile.to_json())
        return
    table = Table("", profile.hostname, title="Hardware", title_justify="left")
    for name, value in _facts(profile):
        table.add_row(name, value)
    Console().print(table)


@app.command("plan")
def plan_command(
    profile: Annotated[list[Path] | None, typer.Option(help="A profile's JSON; again for each machine.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps: a lock on every stage.")] = "auto",
    tier: Annotated[str, typer.Option(help="A row of tiers.yaml to follow, whatever it matches.")] = "auto",
    explain: Annotated[bool, typer.Option("--explain", help="Print each decision with its rule.")] = False,
    as_json: AsJson = False,
) -> None:
    """What would run here, or on the machines of the given profiles."""
    try:
        machines = [_load(path) for path in profile] if profile else [detect()]
        found = pools.plan(_distinct(machines), PlanOptions(device, tier=tier))
    except (ProfileError, PlanError, TierError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        for name, plan in found.plans.items():
            _show(name, plan)
            if explain:
                _explain(plan)
        print(f"\nPools {', '.join(found.plans)}: {found.reason}")
        if not explain:
            print(HINT)


def _load(path: Path) -> HardwareProfile:
    try:
        return HardwareProfile.from_json(path.read_bytes())
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}") from None
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from None


def _distinct(machines: list[HardwareProfile]) -> list[HardwareProfile]:
    """The same file given twice means two such machines."""
    seen: dict[str, int] = {}
    found = []
    for machine in machines:
        seen[machine.node] = count = seen.get(machine.node, 0) + 1
        found.append(machine if count == 1 else dataclasses.replace(machine, node=f"{machine.node}#{count}"))
    return found


def _facts(profile: HardwareProfile) -> list[tuple[str, str]]:
    cpu = profile.cpu
    cores = f"{cpu.physical_cores} physical ({cpu.performance_cores} performance), {cpu.logical_cores} logical"
    system = [profile.os, profile.apple and f"Apple {profile.apple}", "fanless" if profile.fanless else None]
    rows = [
        ("system", ", ".join(filter(None, system))),
        ("CPU", f"{cpu.model} ({cpu.vendor})"),
        ("cores", cores),
        ("instruction sets", " ".join(cpu.instruction_sets) or "none that matter"),
        ("RAM", f"{profile.ram_available / 1e9:.1f} of {profile.ram_total / 1e9:.1f} GB available"),
    ]
    for gpu in profile.gpus:
        capability = ".".join(map(str, gpu.compute_capability))
        free = f"{gpu.vram_free / 1e9:.1f} of {gpu.vram_total / 1e9:.1f} GB free"
        facts = [gpu.name, f"compute {capability}", free, gpu.problem]
        rows.append((f"GPU {gpu.index}", ", ".join(filter(None, facts))))
    if profile.nvml_error:
        rows.append(("NVIDIA", profile.nvml_error))
    return rows


def _show(pool: str, found: Plan) -> None:
    console = Console()
    table = Table("", *found.stages, title=f"Pool {pool}: tier {found.tier}", title_justify="left")
    for name in SHOWN:
        table.add_row(name, *(str(getattr(stage, name)) for stage in found.stages.values()))
    bounds = (f"{s.min_replicas} to {s.max_replicas}, first {s.initial_replicas}" for s in found.stages.values())
    table.add_row("replicas", *bounds)
    console.print(table)
    hot = f" ({found.text_limit_hot} when hot)" if found.text_limit_hot else ""
    console.print(
        f"text up to {found.text_limit} characters{hot}, expected RTF {found.expected_rtf:g}, "
        f"{found.expected_memory_gb:g} GB for one replica of each stage"
    )
    if found.warning:
        console.print(found.warning)


def _explain(found: Plan) -> None:
    console = Console()
    for title, reasons in {"graph": found.reasons, **{name: s.reasons for name, s in found.stages.items()}}.items():
        console.print(f"\n[bold]{title}[/bold]")
        for reason in reasons:
            console.print(f"  - {reason}", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    app(prog_name="python -m cluster")
