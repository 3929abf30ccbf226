"""One request's way: text and voice -> segments -> prompts -> PCM blocks in order."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from deployments.encode_cache import EncodeCache
from deployments.stats import Origin, RequestStats, RequestWatch, SegmentStats
from deployments.voices import VoiceLibrary, check_id
from models.fish_speech import joining
from models.fish_speech import text as texts
from models.fish_speech.normalize import normalize
from models.types import (
    Busy,
    EncodedReference,
    Gone,
    InvalidRequest,
    NotReady,
    OutOfMemory,
    Prompt,
    Reference,
    Sampling,
    SynthesisRequest,
    TooLarge,
    Unsayable,
)

log = logging.getLogger(__name__)

TAKEN_WITHIN = 3.0  # seconds in which a replica takes a request, where another pool could
STARTED_WITHIN = 120.0  # seconds in which one starts and takes it, where none could


@dataclass(frozen=True, slots=True, eq=False)
class EncodedAudio:
    """What the reference-encoder returns: codes int16 (num_codebooks, frames), and what the caller should know."""

    codes: np.ndarray
    notes: tuple[str, ...] = ()


class Stages(Protocol):
    """The three stages as the pipeline calls them. `codec_key` names the codec's weights: codes belong to them.
    `active` counts segments being spoken; `failed_at` is when one last raised NotReady, by time.monotonic."""

    sample_rate: int
    frame_rate: float
    codec_key: str
    active: int
    failed_at: float

    async def encode(self, audio: bytes) -> EncodedAudio:
        """A recording in any container -> its codes. Raises NotAudio, TooLarge, Busy, NotReady."""

    def speak(
        self, prompt: Prompt, within: float = STARTED_WITHIN
    ) -> AsyncGenerator[Origin | np.ndarray | SegmentStats, None]:
        """Float32 PCM blocks of one segment, before them where they come from, after them how they were made; closing
        or cancelling the generator stops the work on every stage. Raises Busy, or NotReady where no replica takes it
        `within` so many seconds."""

    def wake(self) -> None:
        """Start what stands by at zero replicas; returns at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for. `tier_text_chars` is where `on_long_text=truncate` cuts; `segments_ahead` segments
    of a text run side by side, each of at most `segment_chars` and at most `lead_blocks` PCM blocks ahead of its
    listener."""

    body_bytes: int = 64 * 2**20
    text_chars: int = 50_000
    tier: str = "unknown"
    tier_text_chars: int = 1000
    references: int = 16
    segments_ahead: int = 4
    lead_blocks: int = 32
    first_segment_chars: int = 100
    segment_chars: int = 300
    encode_cache: int = 64


@dataclass(frozen=True, slots=True)
class Pool:
    """Stages on one kind of device, and the tier that it makes with its limit in characters."""

    name: str
    device: str
    stages: Stages
    tier: str
    text_chars: int

    def limits(self, limits: Limits) -> Limits:
        return replace(limits, tier=self.tier, tier_text_chars=self.text_chars)


class Speech:
    """Audio being made. The first block exists already: what can be refused was refused before this object."""

    def __init__(
        self,
        headers: dict[str, str],
        sample_rate: int,
        first: np.ndarray,
        rest: AsyncGenerator[np.ndarray, None],
        watch: RequestWatch,
    ) -> None:
        self.headers = headers
        self.sample_rate = sample_rate
        self.samples = 0
        self._first = first
        self._rest = rest
        self._watch = watch

    async def blocks(self) -> AsyncGenerator[np.ndarray, None]:
        """Float32 PCM blocks in [-1, 1], in order; once. `samples` counts what was taken."""
        try:
            block: np.ndarray | None = self._first
            while block is not None:
                self.samples += len(block)
                yield block
                asked = time.perf_counter()
                block = await anext(self._rest, None)
                if block is not None:
                    self._watch.heard(len(block) / self.sample_rate, asked)
            self._watch.end()
        except Exception as error:
            self._watch.end(error)
            raise
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Stop the work on every stage; harmless when it is finished."""
        self._watch.end(Gone("The client left."))
        await self._rest.aclose()


class Pipeline:
    """`stages` encode references for all pools; `route` gives the pools that may speak for a request asking for a
    device or None, best first, and raises InvalidRequest where there are none. `record` is told of every request once,
    when it is over."""

    def __init__(
        self,
        stages: Stages,
        voices: VoiceLibrary,
        limits: Limits,
        route: Callable[[str | None], Sequence[Pool]],
        record: Callable[[RequestStats], None] = lambda stats: None,
    ) -> None:
        self.stages = stages
        self.voices = voices
        self.limits = limits
        self.encoded = EncodeCache(limits.encode_cache)
        self.running = 0
        self._route = route
        self._record = record

    async def open(self, request: SynthesisRequest) -> Speech:
        """Start speaking; returns with the first block made.

        Raises InvalidRequest, Unsayable, TooLarge, VoiceNotFound, NotAudio, Busy, NotReady, OutOfMemory.
        """
        watch = RequestWatch(RequestStats(len(request.text), request.streaming), self._over)
        self.running += 1
        try:
            return await self._open(request, watch)
        except BaseException as error:
            watch.end(error)
            raise

    async def _open(self, request: SynthesisRequest, watch: RequestWatch) -> Speech:
        stats, pools = watch.stats, self._route(request.device)
        segments, headers = await asyncio.to_thread(segment, request, pools[0].limits(self.limits))
        references = await self._references(request, watch)
        stats.reference_seconds = sum(each.codes.shape[1] for each in references) / self.stages.frame_rate or None
        notes = [note for reference in references for note in reference.notes]
        refusals: list[Exception] = []
        for pool in pools:
            if refusals:  # this pool's tier has limits of its own
                log.info("passed on to pool %s: %s", pool.name, refusals[-1])
                segments, headers = await asyncio.to_thread(segment, request, pool.limits(self.limits))
            stats.segments = len(segments)
            within = STARTED_WITHIN if pool is pools[-1] else TAKEN_WITHIN
            rest = self._speak(pool.stages, prompts(request.sampling, references, segments), within, stats)
            try:
                first = await anext(rest, None)
            except (Busy, NotReady, OutOfMemory) as error:
                refusals.append(error)
                continue
            if first is None:
                raise Unsayable("The model made no sound for this text; add words, or try another seed.")
            watch.heard(len(first) / self.stages.sample_rate)
            headers |= {"X-Device": pool.device, "X-Pool": pool.name}
            if stats.origin:
                headers |= {"X-Device": stats.origin.device, "X-Precision": stats.origin.weights}
            if notes:
                headers["X-Reference-Note"] = header_text(" ".join(notes))
            return Speech(headers, self.stages.sample_rate, first, rest, watch)
        raise refusals[0]

    def _over(self, stats: RequestStats) -> None:
        self.running -= 1
        self._record(stats)

    async def add_voice(self, voice_id: str, audio: bytes, text: str) -> tuple[str, ...]:
        """Register a voice, encoded at once: a bad recording is refused here, and no request waits for it later.
        Returns notes. Raises InvalidRequest, NotAudio, TooLarge."""
        check_id(voice_id)
        encoded = await self._encode(Reference(audio, text))
        voice = await asyncio.to_thread(self.voices.add, voice_id, audio, text)
        await asyncio.to_thread(self.voices.put_codes, voice, self.stages.codec_key, encoded.codes)
        return encoded.notes

    async def _references(self, request: SynthesisRequest, watch: RequestWatch) -> tuple[EncodedReference, ...]:
        if request.voice is not None:
            if request.references:
                raise InvalidRequest("Give either a registered voice or reference recordings, not both.")
            return (await self._voice(request.voice, watch),)
        if not request.references:
            return ()
        if len(request.references) > self.limits.references:
            raise InvalidRequest(f"At most {self.limits.references} references, got {len(request.references)}.")
        with watch.encoding():
            return tuple(await asyncio.gather(*map(self._encode, request.references)))

    async def _encode(self, reference: Reference) -> EncodedReference:
        if len(reference.text) > self.limits.text_chars:
            raise TooLarge(f"A reference's text has {len(reference.text)} characters, over {self.limits.text_chars}.")
        encoded = await self.encoded.get(reference.key, lambda: self.stages.encode(reference.audio))
        return EncodedReference(encoded.codes, texts.defuse(reference.text), encoded.notes)

    async def _voice(self, voice_id: str, watch: RequestWatch) -> EncodedReference:
        """A registered voice's codes: stored ones, else encoded now and stored for good."""
        key = self.stages.codec_key
        voice = await asyncio.to_thread(self.voices.get, voice_id)
        codes = await asyncio.to_thread(self.voices.codes, voice, key)
        if codes is not None:
            return EncodedReference(codes, texts.defuse(voice.text))
        with watch.encoding():
            encoded = await self._encode(await asyncio.to_thread(self.voices.reference, voice))
        await asyncio.to_thread(self.voices.put_codes, voice, key, encoded.codes)
        return encoded

    async def _speak(
        self, stages: Stages, prompts: list[Prompt], within: float, stats: RequestStats
    ) -> AsyncGenerator[np.ndarray, None]:
        """All prompts' blocks in order; what is to sound first must be taken `within` seconds. The first prompt runs
        alone until it sounds: nothing competes with the first audio, and the others find its voice prefix cached."""
        waiting = deque(prompts)
        running: deque[_Utterance] = deque()

        def start(count: int, patient: bool) -> None:
            while waiting and len(running) < count:
                limit = STARTED_WITHIN if patient else within
                running.append(_Utterance(stages, waiting.popleft(), self.limits.lead_blocks, patient, limit))

        try:
            start(1, patient=False)
            sounding, level = False, 0.0
            while running:
                seam = sounding
                while (block := await running[0].next()) is not None:
                    stats.origin = stats.origin or running[0].origin
                    if seam:
                        block, seam = joining.continued(block, level, self.stages.sample_rate), False
                    sounding, level = True, float(block[-1])
                    start(self.limits.segments_ahead, patient=True)
                    yield block
                spoken = running.popleft()
                stats.ended += [spoken.ended] if spoken.ended else []
                await spoken.aclose()
                start(self.limits.segments_ahead if sounding else 1, patient=sounding)
        finally:
            await asyncio.gather(*(utterance.aclose() for utterance in running))


class _Utterance:
    """One segment being spoken, at most `lead` blocks ahead of its listener. A patient one waits its turn when the
    stages are busy, instead of failing a text whose beginning already sounds."""

    def __init__(self, stages: Stages, prompt: Prompt, lead: int, patient: bool, within: float) -> None:
        self._stages = stages
        self._prompt = prompt
        self._patient = patient
        self._within = within
        self._made: asyncio.Queue[np.ndarray | Exception | None] = asyncio.Queue(lead)
        self._closing = False
        self.origin: Origin | None = None
        self.ended: SegmentStats | None = None
        self._task = asyncio.create_task(self._run())

    async def next(self) -> np.ndarray | None:
        """The next block; None at the end."""
        item = await self._made.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def aclose(self) -> None:
        self._closing = True
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        end: Exception | None = None
        try:
            await self._speak()
        except asyncio.CancelledError:
            end = Gone("The stages stopped this request.")
        except Exception as error:
            end = error
        if not self._closing:
            await self._made.put(end)

    async def _speak(self) -> None:
        while True:
            try:
                async with aclosing(self._stages.speak(self._prompt, self._within)) as blocks:
                    async for block in blocks:
                        if isinstance(block, Origin):
                            self.origin = block
                            continue
                        if isinstance(block, SegmentStats):
                            self.ended = block
                            continue
                        self._patient = False
                        if len(block):
                            await self._made.put(block)
                return
            except Busy as busy:
                if not self._patient:
                    raise
                await asyncio.sleep(min(busy.retry_after, 1.0))


def segment(request: SynthesisRequest, limits: Limits) -> tuple[list[str], dict[str, str]]:
    """The text as segments to speak, and the response headers that say what was done to it (pure).

    Raises Unsayable or TooLarge.
    """
    text = texts.check(request.text, limits.text_chars)
    headers = {
        "X-Seed": str(request.sampling.seed),
        "X-Hardware-Tier": header_text(limits.tier),
        "X-Max-Text-Length": str(limits.tier_text_chars),
    }
    if request.on_long_text == "truncate":
        whole, text = text, texts.truncate(text, limits.tier_text_chars)
        headers["X-Text-Truncated"] = "true" if len(text) < len(whole) else "false"
        headers["X-Original-Text-Length"] = str(len(whole))
        headers["X-Truncated-Text-Length"] = str(len(text))
    if request.normalize:
        text = normalize(text)
    length = min(request.chunk_length, limits.segment_chars)
    first = min(length, limits.first_segment_chars) if request.streaming else length
    pieces = texts.split(texts.defuse(text), length, first)
    # A piece of dots alone has nothing to say, and an untrained silence could last a whole segment.
    segments = [piece for piece in pieces if texts.sayable(piece)]
    if not segments:
        raise Unsayable("What is left of the text holds nothing to say: send at least one word or number.")
    return segments, headers


def prompts(sampling: Sampling, references: tuple[EncodedReference, ...], segments: Sequence[str]) -> list[Prompt]:
    return [
        Prompt(text, references, replace(sampling, seed=segment_seed(sampling.seed, i)))
        for i, text in enumerate(segments)
    ]


def segment_seed(seed: int, index: int) -> int:
    """The seed of a text's segment: the request's own for the first, a hash of (seed, index) for the others."""
    if index == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}:{index}".encode()).digest()[:8]) >> 1


def header_text(text: str) -> str:
    """`text` as an HTTP header can carry it: one line of ASCII."""
    return " ".join(text.encode("ascii", "replace").decode().split())
