"""The scheduler under random histories: no slot leaks, no stream starves, order is kept, abort at any point."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.text_to_semantic.engine.scheduler import Scheduler, State, Stream
from models.types import Busy


def make(slots: int = 2, waiting_limit: int = 4, prefill_chunk: int = 8, lead: int = 10) -> Scheduler:
    return Scheduler(slots, waiting_limit, prefill_chunk, lead, frame_rate=20.0)


def prefill(scheduler: Scheduler) -> None:
    while chunk := scheduler.next_chunk():
        scheduler.prefilled(chunk.stream, chunk.end)


def test_slots_go_in_order_of_arrival() -> None:
    scheduler = make()
    streams = [Stream(str(i), 4, 100) for i in range(4)]
    for stream in streams:
        scheduler.submit(stream)
    assert scheduler.admit() == streams[:2]
    scheduler.finish(streams[0])
    assert scheduler.admit() == [streams[2]]
    assert streams[2].slot == 0


def test_a_full_waiting_room_refuses() -> None:
    scheduler = make(slots=1, waiting_limit=1)
    scheduler.submit(Stream("a", 4, 9))
    scheduler.admit()
    scheduler.submit(Stream("b", 4, 9))
    with pytest.raises(Busy):
        scheduler.submit(Stream("c", 4, 9))


def test_free_slots_take_a_burst_even_without_a_waiting_room() -> None:
    scheduler = make(slots=3, waiting_limit=0)
    for name in "abc":
        scheduler.submit(Stream(name, 4, 9))
    with pytest.raises(Busy):
        scheduler.submit(Stream("d", 4, 9))


def test_a_long_prompt_is_prefilled_in_chunks() -> None:
    scheduler = make()
    scheduler.submit(Stream("a", 20, 9))
    scheduler.admit()
    spans = []
    while chunk := scheduler.next_chunk():
        spans.append((chunk.start, chunk.end))
        scheduler.prefilled(chunk.stream, chunk.end)
    assert spans == [(0, 8), (8, 16), (16, 20)]
    assert [stream.id for stream in scheduler.next_batch(0.0)] == ["a"]


def test_a_stream_ahead_of_its_client_pauses_until_acknowledged() -> None:
    scheduler = make(lead=3)
    stream = Stream("a", 4, 100)
    scheduler.submit(stream)
    scheduler.admit()
    prefill(scheduler)
    for _ in range(3):
        scheduler.generated(stream, now=0.0)
    assert stream.state is State.PAUSED and scheduler.next_batch(0.0) == []
    scheduler.acknowledge(stream, 0)
    assert scheduler.next_batch(0.0) == [] and not scheduler.runnable
    scheduler.acknowledge(stream, 1)
    assert scheduler.next_batch(0.0) == [stream]


def running(scheduler: Scheduler, *frames: int) -> list[Stream]:
    """Streams that began to speak at 0 and have this many frames."""
    streams = [Stream(str(i), 4, 1000) for i in range(len(frames))]
    for stream in streams:
        scheduler.submit(stream)
    scheduler.admit()
    prefill(scheduler)
    for stream, count in zip(streams, frames, strict=True):
        for _ in range(count):
            scheduler.generated(stream, now=0.0)
    return streams


def test_listeners_with_audio_in_hand_stand_back_for_one_about_to_hear_silence() -> None:
    scheduler = make(slots=3, lead=1000)
    rich, modest, new = running(scheduler, 100, 15, 0)  # 5 s, 0.75 s and nothing in hand
    assert scheduler.next_batch(now=0.0) == [modest, new]
    for _ in range(5):
        scheduler.generated(new, now=0.0)
    assert scheduler.next_batch(now=0.0) == [rich, modest, new], "a quarter of a second is enough for all to go on"
    assert scheduler.next_batch(now=0.1) == [modest, new]


def test_who_stands_back_is_called_before_it_runs_dry() -> None:
    scheduler = make(slots=2, lead=1000)
    rich, _ = running(scheduler, 100, 0)
    assert rich not in scheduler.next_batch(now=3.9)
    assert rich in scheduler.next_batch(now=4.1)


def test_a_listener_who_heard_silence_plays_on_from_where_it_stopped() -> None:
    scheduler = make(slots=2, lead=1000)
    late, rich = running(scheduler, 10, 400)
    for _ in range(10):
        scheduler.generated(late, now=5.0)  # after 4.5 s of silence
    assert scheduler.next_batch(now=5.0) == [late, rich], "half a second in hand, not 4 s behind"


def test_when_all_are_short_all_go_on() -> None:
    scheduler = make(slots=3, lead=1000)
    assert len(running(scheduler, 1, 2, 3)) == len(scheduler.next_batch(now=60.0))


actions = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(1, 30), st.integers(1, 12)),
        st.tuples(st.just("abort"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("acknowledge"), st.integers(0, 30), st.integers(0, 12)),
        st.tuples(st.just("step"), st.just(0), st.just(0)),
    ),
    max_size=80,
)


@settings(max_examples=300, deadline=None)
@given(actions, st.integers(1, 4), st.integers(1, 9), st.integers(1, 6))
def test_random_histories_keep_the_books(history: list, slots: int, chunk: int, lead: int) -> None:
    scheduler = make(slots=slots, waiting_limit=5, prefill_chunk=chunk, lead=lead)
    streams: list[Stream] = []
    started: list[Stream] = []
    clock = [0.0]

    def step() -> None:
        started.extend(scheduler.admit())
        if piece := scheduler.next_chunk():
            scheduler.prefilled(piece.stream, piece.end)
        clock[0] += 0.05
        for stream in scheduler.next_batch(clock[0]):
            scheduler.generated(stream, clock[0])

    def check() -> None:
        placed = [s for s in streams if s.state in (State.PREFILL, State.RUNNING, State.PAUSED)]
        assert len({s.slot for s in placed}) == len(placed) == scheduler.used <= slots
        assert scheduler.waiting == sum(s.state is State.WAITING for s in streams)
        assert all(s.frames <= s.max_frames and s.frames - s.sent <= lead for s in placed)

    for action, a, b in history:
        if action == "submit":
            stream = Stream(str(len(streams)), a, b)
            try:
                scheduler.submit(stream)
            except Busy:
                continue
            streams.append(stream)
        elif action == "step":
            step()
        elif streams:
            chosen = streams[a % len(streams)]
            if action == "abort":
                scheduler.finish(chosen)
            else:
                scheduler.acknowledge(chosen, min(b, chosen.frames))
        check()
    # With every client listening, everything admitted ends: no stream starves, no slot leaks.
    for _ in range(2000):
        if all(s.state is State.DONE for s in streams):
            break
        for stream in streams:
            scheduler.acknowledge(stream, stream.frames)
        step()
        check()
    assert all(s.state is State.DONE for s in streams)
    assert scheduler.used == scheduler.waiting == 0
    assert started == sorted(started, key=lambda s: int(s.id)), "slots were not handed out in order of arrival"
