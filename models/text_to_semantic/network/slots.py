"""A slot's state beside its keys and values, in tensors: a step needs nothing from the host."""

from __future__ import annotations

import torch
from torch import Tensor

from models.text_to_semantic.network.sampling import SamplingRows
from models.types import Sampling


class SlotState:
    """For each slot: its last frame (`width` numbers) and the frames of the penalty's window, its position, how many
    frames it has drawn, whether it takes part in a step, and how it is sampled."""

    def __init__(self, slots: int, width: int, penalty_window: int, device: torch.device) -> None:
        """`penalty_window` as in `SamplingRules`."""

        def state(*shape: int, dtype: torch.dtype = torch.int64, value: float = 0) -> Tensor:
            return torch.full((slots, *shape), value, dtype=dtype, device=device)

        self.frame = state(width)
        self.position, self.step, self.seed = state(), state(), state()
        self.active = state(dtype=torch.bool)
        self.history = state(width, penalty_window, value=-1)
        self.temperature = state(1, dtype=torch.float32, value=1)
        self.top_p = state(1, dtype=torch.float32, value=1)
        self.penalty = state(1, dtype=torch.float32, value=1)

    def reset(self, slot: int, sampling: Sampling) -> None:
        """Prepare a slot for a new utterance."""
        # By fill_: to assign a number to an element, the host waits until a GPU has done all that it was given.
        self.active[slot].fill_(False)
        self.step[slot].fill_(0)
        self.position[slot].fill_(0)
        self.seed[slot].fill_(sampling.seed)
        self.temperature[slot] = sampling.temperature
        self.top_p[slot] = sampling.top_p
        self.penalty[slot] = sampling.repetition_penalty
        self.history[slot].fill_(-1)

    def sampling(self, slots: slice) -> SamplingRows:
        """How each row of a step is sampled."""
        return SamplingRows(self.temperature[slots], self.top_p[slots], self.penalty[slots], self.seed[slots])

    def window(self, slots: slice) -> Tensor:
        """(B, width, window) ids to penalise, -1 where there is none."""
        return self.history[slots]

    def remember(self, slots: slice, frame: Tensor, step: Tensor) -> None:
        """`frame` (B, width) was drawn as number `step` (B,): the active slots keep it."""
        active = self.active[slots, None]
        history = self.history[slots]
        index = (step % history.shape[2])[:, None, None].expand(-1, frame.shape[1], 1)
        history.scatter_(2, index, torch.where(active, frame, history.gather(2, index)[..., 0])[..., None])
        self.frame[slots] = torch.where(active, frame, self.frame[slots])
        self.step[slots] += active[:, 0]
