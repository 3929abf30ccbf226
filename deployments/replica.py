"""What every replica does before it loads a network."""

from __future__ import annotations

import logging

import torch

from cluster.plan import StagePlan

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def log_through_serve() -> None:
    """Let our loggers write where Serve's does: its handlers name the replica and the request."""
    serve = logging.getLogger("ray.serve")
    for name in ("shoal", "deployments", "models", "cluster"):
        ours = logging.getLogger(name)
        ours.handlers, ours.propagate = serve.handlers, False
        ours.setLevel(logging.INFO)


def prepare(plan: StagePlan) -> None:
    """Set this process's threads: Ray would give torch one thread for a request of up to one CPU."""
    log_through_serve()
    torch.set_num_threads(plan.threads)
    torch.set_grad_enabled(False)


def environment(plan: StagePlan) -> dict[str, str]:
    """Variables that must stand before torch is imported: agreeing threads, no accelerator but the planned one."""
    variables = {"OMP_NUM_THREADS": str(plan.threads)}
    if plan.device != "cuda":
        variables["CUDA_VISIBLE_DEVICES"] = ""
    return variables


def dtype_of(plan: StagePlan) -> torch.dtype:
    """The dtype of a stage's activations and of weights that are not quantised."""
    return _DTYPES[plan.precision]
