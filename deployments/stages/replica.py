"""Steps of every replica before it loads a network, and before it takes a request."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cluster.machine import affinity
from cluster.planning.plan import StagePlan
from deployments.errors import status_of
from deployments.monitoring.logs import log_through_serve
from models.types import OtherCodec

log = logging.getLogger(__name__)

# Serve would run our coroutines and its router on threads of their own, and wake three for each block that passes: the
# first audio came 9 ms later. So nothing of ours may block for more than a few milliseconds; what does has a thread.
ONE_LOOP = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0", "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0"}


def prepare(plan: StagePlan) -> None:
    """Set this process's threads and cores: Ray would give torch one thread for a request of up to one CPU."""
    log_through_serve()
    affinity.keep_to(plan.cores)
    torch.set_num_threads(plan.threads)
    torch.set_grad_enabled(False)


def environment(plan: StagePlan) -> dict[str, str]:
    """Variables that must stand before Serve and torch are imported: one loop, agreeing threads, no accelerator but the
    planned one."""
    # Stages that share cores must not spin while they wait: a request took a third longer on two cores.
    variables = ONE_LOOP | {"OMP_NUM_THREADS": str(plan.threads), "OMP_WAIT_POLICY": "PASSIVE"}
    if plan.device == "cuda":
        variables["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as NVML and Ray count GPUs
    else:
        variables["CUDA_VISIBLE_DEVICES"] = ""
    return variables


@contextmanager
def failures_logged(work: str, of: str) -> Iterator[None]:
    """Log what nothing foresaw, with the id of the stream or the request that it ends. The rest is only told."""
    try:
        yield
    except Exception as error:
        if status_of(error) == 500:
            log.exception("%s of %s failed", work, of)
        raise


def check_codec(own: str, asked: str) -> None:
    """While another checkpoint is deployed, old and new replicas run side by side. Raises OtherCodec for a request with
    codes of another codec."""
    if own != asked:
        raise OtherCodec("another checkpoint is being deployed: try again in a minute")
