"""The memory that text-to-semantic's cache may still claim, where it claims memory as it fills."""

from __future__ import annotations

import math
from collections.abc import Callable

from models.text_to_semantic.engine.scheduler import Scheduler, Stream
from models.text_to_semantic.network.interface import Prefix
from models.text_to_semantic.prefix_cache import PrefixCache
from models.types import OutOfMemory


class Claims:
    """The claims of placed streams and kept prefixes. `memory(held)` gives the bytes that may still be claimed beside
    the `held` ones; without it there is no bound."""

    def __init__(
        self,
        scheduler: Scheduler,
        prefixes: PrefixCache[Prefix],
        bytes_per_position: int,
        memory: Callable[[int], int] | None,
    ) -> None:
        self._scheduler, self._prefixes = scheduler, prefixes
        self._each, self._memory = bytes_per_position, memory

    @property
    def held(self) -> int:
        """Bytes that streams and kept prefixes hold."""
        return (self._scheduler.positions_used + self._prefixes.positions) * self._each

    @property
    def room(self) -> float:
        """Positions that may still be claimed, promised ones included."""
        return self._memory(self.held) / self._each if self._memory else math.inf

    def fits(self, positions: int) -> bool:
        """Whether so many more positions may be claimed at once, beside all that was promised."""
        return self._scheduler.promised + positions <= self.room

    def refusal(self, stream: Stream) -> OutOfMemory:
        """The error for a stream that can never fit."""
        need, have = self._each * stream.unclaimed / 1e9, self._each * max(0, self.room) / 1e9
        return OutOfMemory(
            f"this needs {need:.2f} GB of memory and {have:.2f} GB are free: send a shorter reference, or lower "
            "max_new_tokens"
        )
