"""What a slot remembers of its utterance beside keys and values, in tensors: a step needs nothing from the host."""

from __future__ import annotations

import torch
from torch import Tensor

from models.text_to_semantic.network.sampling import PENALTY_WINDOW, SamplingRows
from models.types import Sampling


class SlotState:
    """Of every slot: its last frame (`width` numbers) and those of the penalty's window, its position, how many frames
    it has drawn, whether it takes part in a step, and how it is sampled."""

    def __init__(self, slots: int, width: int, device: torch.device, upstream_penalty: bool) -> None:
        """`upstream_penalty` as for `Network`."""

        def state(*shape: int, dtype: torch.dtype = torch.int64, value: float = 0) -> Tensor:
            return torch.full((slots, *shape), value, dtype=dtype, device=device)

        self.upstream_penalty = upstream_penalty
        self.frame = state(width)
        self.position, self.step, self.seed = state(), state(), state()
        self.active = state(dtype=torch.bool)
        self.history = state(width, PENALTY_WINDOW, value=-1)
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
        # Upstream starts its window with zeros, which count as code 0 (and, as vocabulary id 0, as no semantic token).
        self.history[slot] = 0 if self.upstream_penalty else -1
        self.history[slot, 0] = -1

    def sampling(self, slots: slice) -> SamplingRows:
        return SamplingRows(self.temperature[slots], self.top_p[slots], self.penalty[slots], self.seed[slots])

    def window(self, slots: slice, step: Tensor) -> Tensor:
        """(B, width, PENALTY_WINDOW) ids to penalise, -1 where there is none."""
        history = self.history[slots]
        if not self.upstream_penalty:
            return history
        # Upstream reads, for the semantic token, only the oldest frame of its window, and has none for the first frame.
        filled = (step - 1).clamp(min=0)
        oldest = torch.where(filled < PENALTY_WINDOW, 0, filled % PENALTY_WINDOW)[:, None]
        semantic = history[:, :1].gather(2, oldest[:, None]).expand(-1, -1, PENALTY_WINDOW)
        return torch.where((step == 0)[:, None, None], -1, torch.cat([semantic, history[:, 1:]], dim=1))

    def remember(self, slots: slice, frame: Tensor, step: Tensor) -> None:
        """`frame` (B, width) was drawn as number `step` (B,): those that are active keep it."""
        active = self.active[slots, None]
        place = step - 1 if self.upstream_penalty else step  # upstream's window leaves out the first frame
        index = (place % PENALTY_WINDOW)[:, None, None].expand(-1, frame.shape[1], 1)
        history = self.history[slots]
        enters = active & (place >= 0)[:, None]
        history.scatter_(2, index, torch.where(enters, frame, history.gather(2, index)[..., 0])[..., None])
        self.frame[slots] = torch.where(active, frame, self.frame[slots])
        self.step[slots] += active[:, 0]
