"""A question that may never be answered is asked once."""

from __future__ import annotations

import asyncio

import pytest

from deployments.monitoring.shared_answer import SharedAnswer


async def test_many_share_one_question_and_a_late_answer_still_counts() -> None:
    asked, answered = [], asyncio.Event()

    async def ask() -> int:
        asked.append(len(asked))
        await answered.wait()
        return asked[-1]

    answer = SharedAnswer(ask, every=1000.0, within=0.01)
    missed = await asyncio.gather(*(answer.get() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(each, TimeoutError) for each in missed) and asked == [0]
    impatient = asyncio.create_task(answer.get())
    await asyncio.sleep(0)
    impatient.cancel()
    answered.set()
    assert [await answer.get(), await answer.get()] == [0, 0]


async def test_what_failed_is_asked_again() -> None:
    answers = iter([ValueError("no"), 7])

    async def ask() -> int:
        if isinstance(found := next(answers), Exception):
            raise found
        return found

    answer = SharedAnswer(ask, every=1000.0, within=1.0)
    with pytest.raises(ValueError, match="no"):
        await answer.get()
    assert await answer.get() == 7
