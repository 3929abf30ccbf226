"""An engine's frames for asyncio: a stream's events in a queue, gathered into blocks of codes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import numpy as np

from models.text_to_semantic.blocks import block_sizes
from models.text_to_semantic.engine import Engine
from models.text_to_semantic.prompt import PromptEncoder
from models.text_to_semantic.work import Event
from models.types import Finished, Prompt


async def submit(engine: Engine, encoder: PromptEncoder, stream_id: str, prompt: Prompt) -> asyncio.Queue[Event]:
    """Queue a prompt; the stream's events come into the queue returned. Raises what `Engine.submit` raises."""
    events: asyncio.Queue[Event] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    encoded = await asyncio.to_thread(encoder.encode, prompt)
    engine.submit(stream_id, encoded, prompt.sampling, lambda e: loop.call_soon_threadsafe(events.put_nowait, e))
    return events


async def blocks(events: asyncio.Queue[Event], first: int, largest: int) -> AsyncGenerator[np.ndarray | Finished, None]:
    """Blocks (num_codebooks, n) int16 of a stream's frames, then how it ended. Raises the exception that ends it."""
    sizes = block_sizes(first, largest)
    size, frames = next(sizes), []
    while not isinstance(event := await events.get(), Finished):
        if isinstance(event, Exception):
            raise event
        frames.append(event)
        if len(frames) == size:
            yield np.concatenate(frames, axis=1)
            size, frames = next(sizes), []
    if frames:
        yield np.concatenate(frames, axis=1)
    yield event
