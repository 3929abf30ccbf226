"""Admission at the door: a speech request gets a place, waits a moment in order of arrival, or is refused with the time
at which to come back. Knows neither HTTP nor Ray.

A refusal by the engine costs about as much as a request that is served, as it travels through every stage; one at the
door costs neither a stage nor the reading of a body.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import fmean

from models.types import Busy

MEASURED = 32  # requests whose duration gives the rate
MINUTE = 60.0  # seconds
LONGEST_RETRY = 60.0  # seconds; a crowd that never comes back must not keep others away for hours
JITTER = 0.25  # of the wait, added at random: who was refused together must not come back together


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """`wait_seconds`: the longest wait for a place that is expected of anyone; whoever would wait longer is refused.
    `key_streams` requests at once and `key_requests_per_minute` are for each API key, or for each address where there
    are no keys; None is no limit."""

    wait_seconds: float = 0.2
    key_streams: int | None = None
    key_requests_per_minute: int | None = None


class Admission:
    """The places of one ingress replica. For one event loop."""

    def __init__(
        self,
        places: int,
        limits: AdmissionLimits = AdmissionLimits(),
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
        pressed: Callable[[], None] = lambda: None,
    ) -> None:
        """`places`: requests at work at once. `draw` gives numbers in [0, 1). `pressed` is called when a place is
        missing: there may be more replicas by now, or fewer."""
        self.limits = limits
        self._places, self._clock, self._draw, self._pressed = places, clock, draw, pressed
        self.running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._seconds: deque[float] = deque(maxlen=MEASURED)
        self._expected_back = -1.0  # when the last one that was refused comes back
        self._of_key: Counter[str] = Counter()
        self._arrivals: dict[str, deque[float]] = {}

    @property
    def waiting(self) -> int:
        """Requests that wait for a place, without those that have left."""
        return sum(not place.done() for place in self._waiting)

    @property
    def rate(self) -> float:
        """Requests a second that all places complete when they are taken."""
        return self._places / self._usual_seconds

    @property
    def _usual_seconds(self) -> float:
        return max(0.001, fmean(self._seconds)) if self._seconds else 1.0

    def set_places(self, places: int) -> None:
        """Replicas came or went: whoever has a place keeps it."""
        self._places = max(1, places)
        self._hand_on()

    @asynccontextmanager
    async def place(self, key: str) -> AsyncIterator[None]:
        """A place for as long as the request runs. Raises Busy."""
        self._check_key(key)
        self._of_key[key] += 1
        try:
            await self._enter()
            began = self._clock()
            try:
                yield
                self._seconds.append(self._clock() - began)  # of what was served: a refusal takes no time
            finally:
                self.running -= 1
                self._hand_on()
        finally:
            self._of_key[key] -= 1
            if not self._of_key[key]:
                del self._of_key[key]

    async def _enter(self) -> None:
        ahead = self.waiting
        if self.running < self._places and not ahead:
            self.running += 1
            return
        self._pressed()
        # Before anything was measured, as many may wait as are spoken for.
        too_many = (ahead + 1) / self.rate > self.limits.wait_seconds if self._seconds else ahead >= self._places
        if too_many:
            raise Busy("Every place is taken, and the wait for one would be long: try again later.", self._retry())
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # it was given the place as it left
                self.running -= 1
                self._hand_on()
            raise

    def _hand_on(self) -> None:
        """Give free places to those who wait, in order of arrival; those that have left are passed over."""
        while self._waiting and self.running < self._places:
            place = self._waiting.popleft()
            if not place.done():
                self.running += 1
                place.set_result(None)

    def _retry(self) -> float:
        """Seconds after which to come back: refused clients are expected one after the other, at the measured rate, so
        that each finds a place when it comes."""
        now = self._clock()
        first = now + (self.waiting + 1) / self.rate
        self._expected_back = min(max(self._expected_back + 1 / self.rate, first), now + LONGEST_RETRY)
        return (self._expected_back - now) * (1 + JITTER * self._draw())

    def _check_key(self, key: str) -> None:
        streams, per_minute, now = self.limits.key_streams, self.limits.key_requests_per_minute, self._clock()
        if streams is not None and self._of_key[key] >= streams:
            message = f"At most {streams} requests at once with one key: wait for one to end."
            raise Busy(message, self._usual_seconds)
        if per_minute is None:
            return
        arrivals = self._arrivals.setdefault(key, deque())
        while arrivals and now - arrivals[0] >= MINUTE:
            arrivals.popleft()
        if len(arrivals) >= per_minute:
            raise Busy(f"At most {per_minute} requests a minute with one key.", MINUTE - (now - arrivals[0]))
        arrivals.append(now)
        self._forget_idle(now)

    def _forget_idle(self, now: float) -> None:
        if len(self._arrivals) > 1000:
            self._arrivals = {key: times for key, times in self._arrivals.items() if times and now - times[-1] < MINUTE}
