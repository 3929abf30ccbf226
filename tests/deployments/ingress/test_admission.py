"""The door's decisions, by a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from deployments.ingress.admission import LONGEST_RETRY, Admission, AdmissionLimits
from deployments.ingress.places import share
from models.types import Busy


class Door:
    """An admission with a clock that stands, no jitter, and requests that stay until they are told to go."""

    def __init__(self, places: int, **limits: Any) -> None:
        self.now = 0.0
        self.admission = Admission(places, AdmissionLimits(**limits), clock=lambda: self.now, draw=lambda: 0.0)
        self.entered: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, key: str = "key") -> None:
        """A request comes; it has entered, waits, or raises Busy."""
        leave = self._leave[name] = asyncio.Event()

        async def visit() -> None:
            async with self.admission.place(key):
                self.entered.append(name)
                await leave.wait()

        self._tasks[name] = asyncio.create_task(visit())
        await settle()
        if self._tasks[name].done():
            self._tasks[name].result()

    async def go(self, name: str, after: float = 0.0) -> None:
        self.now += after
        self._leave[name].set()
        await settle()

    async def abandon(self, name: str) -> None:
        self._tasks[name].cancel()
        await settle()

    async def measure(self, seconds: float) -> None:
        """One request passes in so many seconds."""
        await self.come("measure")
        await self.go("measure", after=seconds)
        self.entered.clear()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def refusal(coming: Coroutine[Any, Any, None]) -> Busy:
    with pytest.raises(Busy) as caught:
        await coming
    return caught.value


async def test_those_who_wait_enter_in_order_of_arrival() -> None:
    door = Door(2)
    for name in "abcd":
        await door.come(name)
    assert door.entered == ["a", "b"] and door.admission.waiting == 2
    await door.go("b")
    await door.go("a")
    assert door.entered == ["a", "b", "c", "d"] and door.admission.waiting == 0


async def test_a_free_place_is_not_taken_before_those_who_wait() -> None:
    door = Door(1, wait_seconds=10.0)
    await door.measure(1.0)
    for name in "abc":
        await door.come(name)
    await door.go("a", after=1.0)
    await door.come("d")
    await door.go("b", after=1.0)
    assert door.entered == ["a", "b", "c"]


async def test_whoever_has_left_costs_nothing() -> None:
    door = Door(1, wait_seconds=10.0)
    for name in "ab":
        await door.come(name)
    await door.abandon("b")
    assert door.admission.waiting == 0
    await door.come("c")
    await door.go("a")
    assert door.entered == ["a", "c"]


async def test_a_place_given_to_one_that_leaves_at_that_moment_is_handed_on() -> None:
    door = Door(1, wait_seconds=10.0)
    for name in "ab":
        await door.come(name)
    door._leave["a"].set()
    await asyncio.sleep(0)  # "a" has gone, and "b" has its place but has not run
    await door.abandon("b")
    await door.come("c")
    assert door.entered[-1] == "c" and door.admission.running == 1


@pytest.mark.parametrize("wait", [0.0, 0.5, 1.0, 3.0])
async def test_nobody_waits_longer_than_the_limit(wait: float) -> None:
    door = Door(4, wait_seconds=wait)
    await door.measure(2.0)
    assert door.admission.rate == 2.0
    for number in range(4):
        await door.come(f"at work {number}")
    for number in range(int(2 * wait)):
        await door.come(f"waits {number}")
    refused = await refusal(door.come("one more"))
    assert refused.retry_after == pytest.approx((int(2 * wait) + 1) / 2)
    assert len(door.entered) == 4


async def test_before_anything_was_measured_as_many_wait_as_speak() -> None:
    door = Door(3)
    for number in range(6):
        await door.come(str(number))
    await refusal(door.come("one more"))


async def test_refused_clients_are_told_to_come_one_after_the_other() -> None:
    door = Door(1, wait_seconds=0.0)
    await door.measure(0.5)
    await door.come("a")
    told = [(await refusal(door.come(str(number)))).retry_after for number in range(4)]
    assert told == pytest.approx([0.5, 1.0, 1.5, 2.0])
    door.now += 1.0
    assert (await refusal(door.come("later"))).retry_after == pytest.approx(1.5), "behind those who come before"
    door.now += 100.0
    assert (await refusal(door.come("much later"))).retry_after == pytest.approx(0.5), "they have come by now"


async def test_a_crowd_is_never_sent_away_for_longer_than_a_minute_and_a_quarter() -> None:
    door = Door(1, wait_seconds=0.0)
    door.admission._draw = lambda: 0.999
    await door.measure(5.0)
    await door.come("a")
    told = [(await refusal(door.come(str(number)))).retry_after for number in range(100)]
    assert LONGEST_RETRY < max(told) <= 1.25 * LONGEST_RETRY


@pytest.mark.parametrize(
    ("slots", "replicas", "ingresses", "places"),
    [
        ({"cpu": 16}, {"cpu": 1}, 1, 16),
        ({"cpu": 16}, {"cpu": 3}, 1, 48),
        ({"cpu": 16}, {"cpu": 0}, 1, 16),  # it starts with its first request
        ({"cpu": 16}, {}, 1, 16),
        ({"cuda": 64, "cpu": 4}, {"cuda": 2, "cpu": 0}, 1, 132),
        ({"cpu": 16}, {"cpu": 1}, 3, 6),
        ({"cpu": 1}, {"cpu": 1}, 4, 1),
    ],
)
def test_an_ingress_has_its_share_of_the_slots(
    slots: dict[str, int], replicas: dict[str, int], ingresses: int, places: int
) -> None:
    assert share(slots, replicas, ingresses) == places


async def test_places_follow_the_replicas() -> None:
    door = Door(1)
    for name in "ab":
        await door.come(name)
    assert door.entered == ["a"]
    door.admission.set_places(2)
    await settle()
    assert door.entered == ["a", "b"]
    door.admission.set_places(0)
    await door.come("c")
    await door.go("a")
    assert door.entered == ["a", "b"], "one that is there keeps its place, and a smaller server takes nobody yet"
    await door.go("b")
    assert door.entered == ["a", "b", "c"]


async def test_one_key_cannot_take_every_place() -> None:
    door = Door(4, key_streams=2)
    for name in "ab":
        await door.come(name, "greedy")
    assert "2 requests at once" in str(await refusal(door.come("c", "greedy")))
    await door.come("d", "modest")
    await door.go("a")
    await door.come("e", "greedy")
    assert door.entered == ["a", "b", "d", "e"]


async def test_requests_a_minute_are_counted_by_key() -> None:
    door = Door(9, key_requests_per_minute=2)
    for at, name in ((0.0, "a"), (20.0, "b")):
        door.now = at
        await door.come(name, "greedy")
        await door.go(name)
    door.now = 50.0
    assert (await refusal(door.come("c", "greedy"))).retry_after == pytest.approx(10.0)
    await door.come("d", "modest")
    door.now = 60.0
    await door.come("e", "greedy")
    assert door.entered == ["a", "b", "d", "e"]


async def test_a_request_that_fails_gives_its_place_back() -> None:
    door = Door(1, key_streams=1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with door.admission.place("key"):
                raise RuntimeError
    assert door.admission.rate == 1.0, "and tells nothing of how long one takes"
    assert (door.admission.running, door.admission._of_key) == (0, {})
