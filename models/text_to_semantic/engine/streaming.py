"""An engine's frames for asyncio: blocks of codes in a queue, gathered on the engine's thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import numpy as np

from models.text_to_semantic.engine.blocks import Pace, gather
from models.text_to_semantic.engine.engine import Engine
from models.text_to_semantic.engine.work import Event
from models.text_to_semantic.prompt import PromptEncoder
from models.types import Finished, Prompt


async def submit(
    engine: Engine, encoder: PromptEncoder, stream_id: str, prompt: Prompt, pace: Pace
) -> asyncio.Queue[Event]:
    """Queue a prompt; blocks of the stream's codes (num_codebooks, n) int16 and its end come into the queue returned.
    Raises what `Engine.submit` raises."""
    events: asyncio.Queue[Event] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    # To encode the prompt of a known voice takes less time than to wake a thread for it.
    encoded = encoder.encode(prompt) if encoder.knows(prompt) else await asyncio.to_thread(encoder.encode, prompt)

    def put(event: Event) -> None:
        loop.call_soon_threadsafe(events.put_nowait, event)

    # Frames are gathered before they pass to the loop: waking it takes longer than all else that a frame needs here.
    engine.submit(stream_id, encoded, prompt.sampling, gather(pace, put), prompt.needs)
    return events


async def blocks(events: asyncio.Queue[Event]) -> AsyncGenerator[np.ndarray | Finished, None]:
    """A stream's blocks, then how it ended. Raises the exception that ends it."""
    while True:
        event = await events.get()
        if isinstance(event, Exception):
            raise event
        yield event
        if isinstance(event, Finished):
            return
