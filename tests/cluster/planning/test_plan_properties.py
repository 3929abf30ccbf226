"""Whatever the machines are: what is planned fits them."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from cluster.machine.profile import Cpu, Gpu, HardwareProfile
from cluster.planning.footprints import Footprints
from cluster.planning.plan import Plan, PlanError, PlanOptions
from cluster.planning.planner import make
from cluster.planning.stages import ENCODER, LM, STAGES
from tests.cluster.machines import SMALL

cpus = st.builds(
    lambda vendor, fast, slow, smt, sets: Cpu(
        vendor, "x", fast + slow, fast, (fast + slow) * smt, tuple(dict.fromkeys(sets))
    ),
    st.sampled_from(["amd", "intel", "arm", "unknown"]),
    st.integers(1, 64),
    st.integers(0, 16),
    st.integers(1, 2),
    st.lists(st.sampled_from(["avx2", "avx512", "vnni", "bf16", "amx", "neon"]), max_size=4),
)
gpus = st.builds(
    lambda free, capability: (free, capability),
    st.sampled_from([85, 24, 15, 8, 4, 2, 0]).map(lambda gb: gb * 10**9),
    st.sampled_from([(9, 0), (8, 9), (8, 0), (7, 5), (7, 0), (6, 1)]),
)


@st.composite
def hosts(draw, node: str = "n") -> HardwareProfile:
    cards = [draw(gpus)] * draw(st.sampled_from([1, 0, 2, 4]))
    ram = draw(st.one_of(st.integers(10**9, 16 * 10**9), st.integers(16 * 10**9, 512 * 10**9)))
    cpu = draw(cpus)
    return HardwareProfile(
        node=node,
        hostname=node,
        os=draw(st.sampled_from(["linux", "windows", "wsl2"])),
        cpu=cpu,
        ram_total=ram,
        ram_available=ram,
        gpus=tuple(Gpu(i, "card", free + 10**9, free, capability) for i, (free, capability) in enumerate(cards)),
        schedulable_cpus=draw(st.sampled_from([None, None, None, 0.0, 1.0, 2.0, 0.5])),
    )


@st.composite
def clusters(draw) -> list[HardwareProfile]:
    return [draw(hosts(node=f"n{i}")) for i in range(draw(st.integers(1, 5)))]


def placeable(cluster: list[HardwareProfile], plan: Plan, order: random.Random) -> bool:
    """Ray places in an order of its own: every replica on any node that still has room."""
    cpus = {m.node: m.cpus for m in cluster}
    cards = {m.node: [1.0] * m.gpu_count for m in cluster}
    replicas = [stage for stage in plan.stages.values() for _ in range(stage.initial_replicas)]
    order.shuffle(replicas)
    for stage in replicas:
        room = [
            node
            for node in cpus
            if node not in stage.avoid_nodes
            and cpus[node] >= stage.num_cpus - 1e-6
            and (not stage.num_gpus or any(left >= stage.num_gpus - 1e-6 for left in cards[node]))
        ]
        if not room:
            return False
        node = order.choice(room)
        cpus[node] -= stage.num_cpus
        if stage.num_gpus:
            fits = [i for i, left in enumerate(cards[node]) if left >= stage.num_gpus - 1e-6]
            cards[node][order.choice(fits)] -= stage.num_gpus
    return True


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(clusters(), st.sampled_from([Footprints(), SMALL]), st.sampled_from(["auto", "cpu", "cuda"]), st.integers(0, 99))
def test_whatever_is_planned_fits(cluster, footprints, device, seed) -> None:
    try:
        plan = make(cluster, PlanOptions(device, footprints))
    except PlanError as error:
        assert "usable" in str(error) or "of any machine" in str(error) or "offers a CPU" in str(error), error
        return
    event(plan.stages[LM].device)
    assert tuple(plan.stages) == STAGES
    assert placeable(cluster, plan, random.Random(seed))
    asleep = "sleeps" in (plan.warning or "")
    event(plan.warning or "comfortable")
    for stage in plan.stages.values():
        assert stage.threads >= 1 and stage.slots >= 1 and stage.num_cpus > 0
        assert stage.min_replicas <= stage.initial_replicas <= stage.max_replicas >= 1
        assert stage.min_replicas == (0 if asleep and stage is plan.stages[ENCODER] else 1)
        assert (stage.device == "cuda") == (stage.num_gpus > 0)
        assert 1 <= stage.per_node <= stage.max_replicas
        homes = [m for m in cluster if m.node not in stage.avoid_nodes and m.cpus >= stage.num_cpus]
        homes = [m for m in homes if m.gpu_count] if stage.num_gpus else homes
        assert homes
        for home in homes:
            assert stage.threads <= home.cpu.physical_cores
            if stage.device == "cuda":
                assert stage.memory_gb <= min(g.vram_free for g in home.gpus) / 1e9 - 0.99
                assert stage.precision != "bf16" or home.gpus[0].compute_capability >= (8, 0)
            else:
                kept = max(1.0, 0.06 * home.ram_total / 1e9)  # Ray kills replicas where less than 5 % is free
                assert stage.memory_gb <= home.ram_available / 1e9 - kept + 0.01
                assert stage.precision != "bf16" or {"bf16", "amx"} & set(home.cpu.instruction_sets)
                assert stage.precision != "bf16x3" or "amx" in home.cpu.instruction_sets
                assert stage.precision != "int16" or {"avx2", "avx512"} & set(home.cpu.instruction_sets) == {"avx2"}
                assert stage.quantization == "none" or {"avx2", "neon"} & set(home.cpu.instruction_sets)


@settings(max_examples=100, deadline=None)
@given(hosts())
def test_one_machine_is_never_oversubscribed(host) -> None:
    try:
        stages = make([host], PlanOptions(footprints=SMALL)).stages
    except PlanError:
        return
    assert sum(s.num_cpus * s.initial_replicas for s in stages.values()) <= host.cpus + 0.05
    lm = stages[LM]
    assert lm.device != "cpu" or lm.per_node * lm.threads <= host.cpu.physical_cores
    if host.cpus >= 0.1:
        assert sum(s.num_cpus * s.initial_replicas for s in stages.values()) <= host.cpus + 1e-6
