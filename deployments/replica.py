"""What every replica does before it loads a network, and before it takes a request."""

from __future__ import annotations

import torch

from cluster import affinity
from cluster.plan import StagePlan
from deployments.logs import log_through_serve
from models.types import OtherCodec


def prepare(plan: StagePlan) -> None:
    """Set this process's threads and cores: Ray would give torch one thread for a request of up to one CPU."""
    log_through_serve()
    affinity.keep_to(plan.cores)
    torch.set_num_threads(plan.threads)
    torch.set_grad_enabled(False)


def environment(plan: StagePlan) -> dict[str, str]:
    """Variables that must stand before torch is imported: agreeing threads, no accelerator but the planned one."""
    # Stages that share cores must not spin while they wait: a request took a third longer on two cores.
    variables = {"OMP_NUM_THREADS": str(plan.threads), "OMP_WAIT_POLICY": "PASSIVE"}
    if plan.device == "cuda":
        variables["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as NVML and Ray count GPUs
    else:
        variables["CUDA_VISIBLE_DEVICES"] = ""
    return variables


def check_codec(own: str, asked: str) -> None:
    """While another checkpoint is deployed, old and new replicas run side by side. Raises OtherCodec for a request with
    codes of another codec."""
    if own != asked:
        raise OtherCodec("another checkpoint is being deployed: try again in a minute")
