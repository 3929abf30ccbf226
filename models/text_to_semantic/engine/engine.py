"""Continuous batching: one thread owns the tensors and runs schedule, prefill, decode and deliver in a loop."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from torch import Tensor

from models.runtime.health import Health
from models.text_to_semantic.engine.claims import Claims
from models.text_to_semantic.engine.scheduler import Scheduler, State, Stream
from models.text_to_semantic.engine.work import Deliver, Work
from models.text_to_semantic.network.interface import EncodedPrompt, Network, Prefix
from models.text_to_semantic.network.traffic import weights_per_step
from models.text_to_semantic.network.transfer import Readback, start_readback
from models.text_to_semantic.prefix_cache import PrefixCache
from models.types import InvalidRequest, NoRoom, NotReady, Sampling

logger = logging.getLogger(__name__)

MEMORY_AGAIN = 0.1  # seconds until memory is looked at again, with streams that wait for it and none that runs
STALLED_AFTER = 60.0  # seconds without a finished step, with work to do, that mean the loop is stuck


class Engine:
    """Runs many streams through one network. `submit`, `acknowledge`, `abort` may be called from any thread.

    A stream's `deliver` is called on the engine's thread with codes (num_codebooks, 1) int16 for every frame, then
    once with Finished or an exception; it must return at once.
    """

    def __init__(
        self,
        network: Network,
        scheduler: Scheduler,
        prefixes: PrefixCache[Prefix],
        memory: Callable[[int], int] | None = None,
    ) -> None:
        """`memory(held)` gives the bytes that the cache may still claim beside the `held` ones: streams wait until they
        fit. Without it, or where the cache was claimed at the start (on an accelerator), slots alone are the limit."""
        self._network, self._scheduler, self._prefixes = network, scheduler, prefixes
        memory = memory if network.device.type == "cpu" else None
        self._claims = Claims(scheduler, prefixes, network.kv_bytes_per_position, memory)
        self._work: dict[str, Work] = {}
        self._wake = threading.Condition()
        self._commands: deque[Callable[[], None]] = deque()
        # A GPU copies beside its work: the host reads a frame only after the next one is under way.
        self._lag = 1 if network.device.type == "cuda" else 0
        self._in_flight: deque[tuple[Readback, dict[int, Stream]]] = deque()
        self._active: set[int] = set()  # slots that take part in the network's next step
        self._stopping = False
        self._health = Health("the text-to-semantic engine", STALLED_AFTER)
        self.frames = self.steps = self.widest_batch = 0
        self.compiled, self.quantization = network.compiled, network.quantization
        self.bytes_per_step = round(weights_per_step(network.config) * network.bytes_per_weight)
        self._thread = threading.Thread(target=self._run, name="text-to-semantic", daemon=True)
        self._thread.start()
        atexit.register(self.stop)  # at its exit Python frees memory that the native kernels may still read

    def submit(
        self, stream_id: str, prompt: EncodedPrompt, sampling: Sampling, deliver: Deliver, needs: int = 1
    ) -> None:
        """Queue a prompt. Raises NoRoom if under `needs` frames fit, Busy if too many wait, NotReady if broken."""
        length, positions = prompt.values.shape[1], self._network.positions
        room = positions - length
        if room < max(needs, 1):
            asked = f"references and text take {length} of {positions} positions, and speech needs {needs}"
            raise NoRoom(f"{asked}: use a shorter recording or fewer references", room)
        stream = Stream(stream_id, length, min(sampling.max_new_tokens, room))
        with self._wake:
            if self._stopping or not self._thread.is_alive():
                raise NotReady("the text-to-semantic engine is not running")
            self._health.check()
            if stream_id in self._work:
                raise InvalidRequest(f"a stream {stream_id!r} is running already")
            self._scheduler.submit(stream)
            self._work[stream_id] = Work(stream, prompt, sampling, deliver, time.monotonic())
            self._wake.notify()

    def acknowledge(self, stream_id: str, frames: int) -> None:
        """Tell how many frames of a stream the client has been sent; unknown and finished streams are ignored."""

        def command() -> None:
            if work := self._work.get(stream_id):
                self._scheduler.acknowledge(work.stream, frames)

        self._command(command)

    def abort(self, stream_id: str) -> None:
        """Free a stream's slot before the next step; unknown and finished streams are ignored."""

        def command() -> None:
            if stream_id in self._work:
                self._end(stream_id)

        self._command(command)

    def clear_prefixes(self, halve: bool) -> None:
        """Forget every voice's prefix before the next step; `halve` also halves the room for them from then on."""

        def command() -> None:
            self._prefixes.shrink(0)
            if halve:
                self._prefixes.capacity //= 2

        self._command(command)

    def stop(self) -> None:
        """End the thread; streams still running get NotReady."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(STALLED_AFTER)
        atexit.unregister(self.stop)

    def check_health(self) -> None:
        """Raise NotReady if the thread died, has been stuck in a step, or only fails."""
        if not self._thread.is_alive():
            raise NotReady("the text-to-semantic engine has stopped")
        self._health.check()

    def stats(self) -> dict[str, int]:
        """Counters and gauges, cheap enough to read at every scrape."""
        return {
            "slots": self._scheduler.slots,
            "slots_used": self._scheduler.used,
            "waiting": self._scheduler.waiting,
            "positions": self._network.positions,
            "positions_used": self._scheduler.positions_used,
            "kv_bytes_per_position": self._network.kv_bytes_per_position,
            "steps": self.steps,
            "frames": self.frames,
            "widest_batch": self.widest_batch,
            "prefix_cache_voices": len(self._prefixes),
            "prefix_cache_positions": self._prefixes.positions,
            "prefix_cache_capacity": self._prefixes.capacity,
            "prefix_cache_hits": self._prefixes.hits,
            "prefix_cache_misses": self._prefixes.misses,
        }

    @property
    def held_bytes(self) -> int:
        """Bytes of the cache that streams and kept prefixes hold."""
        return self._claims.held

    def _command(self, command: Callable[[], None]) -> None:
        with self._wake:
            self._commands.append(command)
            self._wake.notify()

    def _run(self) -> None:
        while True:
            self._health.rest()
            with self._wake:
                while not (self._stopping or self._commands or self._has_work()):
                    self._wake.wait()
                if self._stopping:
                    break
            self._health.begin()
            try:
                with self._wake:
                    while self._commands:
                        self._commands.popleft()()
                    admitted = self._admit()
                self._step(admitted)
            except Exception as error:  # a broken step must reach its clients, not hang them
                logger.exception("a step of the text-to-semantic engine failed")
                self._health.fail(error)
                self._fail_all(error)
        self._fail_all(NotReady("the text-to-semantic stage is shutting down"))

    def _has_work(self) -> bool:
        return bool(self._in_flight or self._scheduler.placeable or self._scheduler.runnable)

    def _admit(self) -> list[Stream]:
        """Place waiting streams as far as slots and memory go. A stream that does not fit although nothing runs is
        refused: it never will."""
        if not self._scheduler.placeable:
            return []
        admitted = self._scheduler.admit(self._claims.room)
        if admitted or self._scheduler.runnable or self._in_flight:
            return admitted
        if self._scheduler.used:  # every stream with a slot is paused, because its client stalls
            self._wake.wait(MEMORY_AGAIN)
        elif len(self._prefixes):
            self._prefixes.shrink(0)
        else:  # nothing in this engine will give memory back
            stream = self._scheduler.first_waiting
            self._end(stream.id).deliver(self._claims.refusal(stream))
        return admitted

    def _step(self, admitted: list[Stream]) -> None:
        for stream in admitted:
            self._place(stream)
        if chunk := self._scheduler.next_chunk():
            work = self._work[chunk.stream.id]
            slot, values = chunk.stream.slot, work.prompt.values[:, chunk.start : chunk.end]
            hidden = self._network.prefill(slot, values, chunk.start)
            self._scheduler.prefilled(chunk.stream, chunk.end)
            if chunk.stream.state is State.RUNNING:
                self._active.add(slot)
                self._launched(self._network.first_frame(slot, hidden), {0: chunk.stream})
                self._read_back(self._lag)  # before the batch's next step, as a listener waits for this frame
        if batch := self._scheduler.next_batch(time.monotonic()):
            self._activate({s.slot for s in batch})
            for stream in batch:
                work = self._work[stream.id]
                work.steps, work.rows = work.steps + 1, work.rows + len(batch)
            frames = self._network.decode(1 + max(s.slot for s in batch), max(s.context for s in batch))
            self._launched(frames, {s.slot: s for s in batch})
        self._read_back(self._lag if batch else 0)

    def _place(self, stream: Stream) -> None:
        work = self._work[stream.id]
        work.placed = time.monotonic()
        self._network.reset(stream.slot, work.sampling)
        self._active.discard(stream.slot)
        prefix = self._prefixes.get(work.prompt.prefix_key) if work.prompt.prefix_key else None
        if prefix is not None:
            self._network.restore_prefix(stream.slot, prefix)
            self._scheduler.prefilled(stream, work.prompt.prefix_length)
            work.cached = work.prompt.prefix_length

    def _activate(self, slots: set[int]) -> None:
        """Let these slots and no others take part in a decode step."""
        for slot in slots ^ self._active:
            self._network.set_active(slot, slot in slots)
        self._active = slots

    def _keep_prefix(self, work: Work) -> None:
        key, length = work.prompt.prefix_key, work.prompt.prefix_length
        if key is None or not self._prefixes.wants(key, length) or not self._claims.fits(length):
            return
        try:
            self._prefixes.keep(key, length, lambda: self._network.copy_prefix(work.stream.slot, length))
        except (
            RuntimeError,
            MemoryError,
            OSError,
        ):  # out of memory or mappings: no stream ends for what saves time
            logger.exception("a voice's prefix could not be kept: none is kept until there is memory again")
            self._prefixes.shrink(0)

    def _launched(self, frames: Tensor, streams: dict[int, Stream]) -> None:
        """Count frames as generated as soon as they are under way: pausing and limits must not lag behind. `streams`
        are by row of `frames`."""
        self._in_flight.append((start_readback(frames), streams))
        now = time.monotonic()
        for stream in streams.values():
            self._scheduler.generated(stream, now)
        self.steps += 1
        self.widest_batch = max(self.widest_batch, len(streams))

    def _read_back(self, lag: int) -> None:
        """Deliver the frames under way, except those of the last `lag` steps."""
        while len(self._in_flight) > lag:
            readback, streams = self._in_flight.popleft()
            frames = readback()
            self._health.succeed()
            for row, stream in streams.items():
                self._collect(stream, frames[row])

    def _collect(self, stream: Stream, frame: list[int]) -> None:
        work = self._work.get(stream.id)
        if work is None or work.stream is not stream:  # aborted, or ended by an earlier frame still in flight
            return
        ended = frame[0] == self._network.end
        if not ended:
            work.delivered += 1
            self.frames += 1
            work.deliver(np.array(frame[1:], dtype=np.int16)[:, None])
        if not work.began:
            work.began = time.monotonic()
            self._keep_prefix(work)  # once the frame has left, which is what a listener waits for
        if ended or work.delivered >= stream.max_frames:
            self._end(stream.id)
            work.deliver(work.finished(reached_limit=not ended))

    def _fail_all(self, error: Exception) -> None:
        self._in_flight.clear()
        for stream_id in list(self._work):
            try:
                self._end(stream_id).deliver(error)
            except Exception:  # the other streams must be told all the same
                logger.exception("a stream could not be told that it failed")

    def _end(self, stream_id: str) -> Work:
        """Forget a stream in whatever state it is, and free its slot."""
        work = self._work.pop(stream_id)
        if work.stream.slot >= 0:
            self._network.release(work.stream.slot)
        self._scheduler.finish(work.stream)
        return work
