"""What torch must be told once in a process that runs networks on an NVIDIA GPU."""

from __future__ import annotations

import torch


def set_up(device: torch.device) -> None:
    """Call it before a network is built; for any other device it changes nothing."""
    if device.type != "cuda":
        return
    # Preferred on Hopper, cuDNN's attention plans 0.4 s for every new shape: every length of a prompt, in its request.
    torch.backends.cuda.enable_cudnn_sdp(False)
    # fp32 means fp32: cuDNN's convolutions would use TF32 by default, and codes are the nearest of near neighbours.
    torch.backends.cudnn.allow_tf32 = False
