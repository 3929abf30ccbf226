"""Settings of torch for a process that runs networks on an NVIDIA GPU."""

from __future__ import annotations

import torch


def set_up(device: torch.device) -> None:
    """Call it before a network is built; for any other device it changes nothing."""
    if device.type != "cuda":
        return
    # torch prefers cuDNN's attention on Hopper, which plans for 0.4 s at every new shape: at every length of a prompt.
    torch.backends.cuda.enable_cudnn_sdp(False)
    # fp32 means fp32: cuDNN's convolutions use TF32 by default, but codes are nearest neighbours that lie close
    # together.
    torch.backends.cudnn.allow_tf32 = False
