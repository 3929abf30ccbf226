"""One request's way: text and voice -> segments -> prompts -> PCM blocks in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from deployments.monitoring.stats import RequestStats, RequestWatch
from deployments.synthesis.encode_cache import EncodeCache
from deployments.synthesis.reading import Reading, StreamedText, WholeText, read
from deployments.synthesis.references import References, check_references
from deployments.synthesis.script import Script
from deployments.synthesis.segments import Limits, header_text, reader_options, spoken_text
from deployments.synthesis.speaking import Speaking
from deployments.synthesis.speech import Speech
from deployments.synthesis.stages import STARTED_WITHIN, EncodedAudio, Stages
from deployments.synthesis.voices import VoiceLibrary
from models.checkpoint.card import Card
from models.families.s1.card import CARD
from models.text.markers import S1
from models.text.reader import Reader, Segment
from models.text.rules import TextRules
from models.types import (
    Busy,
    EncodedReference,
    InvalidRequest,
    NotReady,
    OutOfMemory,
    Reference,
    SynthesisRequest,
    Unsayable,
)

log = logging.getLogger(__name__)

SHORT = 300  # characters of a text that is segmented in about the time that another thread takes to wake
TAKEN_WITHIN = 3.0  # seconds in which a replica takes a request, where another pool could
NOTHING_TO_SAY = "The text is empty and holds nothing to say: send at least one word or number."
NO_SOUND = "The model made no sound for this text; add words, or try another seed."
CLOSING = "The server is stopping: ask again in some seconds, or another server."
NOTHING_SAID = "The text holds no word or number: a short silence stands for it."


@dataclass(frozen=True, slots=True)
class Pool:
    """Stages on one kind of device, and the tier that it makes with its limits in characters, of a text and of a
    segment; `text_chars_hot`: a text's while a machine of it is hot, where that is another."""

    name: str
    device: str
    stages: Stages
    tier: str
    text_chars: int
    text_chars_hot: int | None = None
    segment_chars: int = 300

    def limits(self, limits: Limits) -> Limits:
        """The server's limits as they are for this pool."""
        segment_chars = min(self.segment_chars, limits.segment_chars)
        return replace(limits, tier=self.tier, tier_text_chars=self.text_chars, segment_chars=segment_chars)


class Pipeline:
    """`stages` encode references for all pools; `route` gives the pools that may speak for a request asking for a
    device or None, best first, and raises InvalidRequest where there are none. `rules` are the text rules of the model
    family, `card` what is known of the checkpoint. `record` is told of every request once, when it is over."""

    def __init__(
        self,
        stages: Stages,
        voices: VoiceLibrary,
        limits: Limits,
        route: Callable[[str | None], Sequence[Pool]],
        record: Callable[[RequestStats], None] = lambda stats: None,
        rules: TextRules = S1,
        card: Card = CARD,
    ) -> None:
        self.stages = stages
        self.voices = voices
        self.limits = limits
        self.encoded: EncodeCache[EncodedAudio] = EncodeCache(limits.encode_cache)
        self.running = 0
        self.closing = False  # True: what runs finishes, and nothing new begins
        self._references = References(stages, voices, self.encoded)
        self._route = route
        self._record = record
        self._rules, self._card = rules, card

    async def open(self, request: SynthesisRequest) -> Speech:
        """Start speaking; returns with the first block made. Of a text that arrives in pieces, that is when the first
        segment of it is there.

        Raises InvalidRequest, Unsayable, TooLarge, VoiceNotFound, NotAudio, Busy, NotReady, OutOfMemory, and what the
        source of the text raises.
        """
        if self.closing:
            raise NotReady(CLOSING)
        characters = len(request.text) if isinstance(request.text, str) else 0
        watch = RequestWatch(RequestStats(characters, request.streaming), self._over)
        self.running += 1
        try:
            return await self._open(request, watch)
        except BaseException as error:
            watch.end(error)
            raise

    async def _open(self, request: SynthesisRequest, watch: RequestWatch) -> Speech:
        stats, pools = watch.stats, self._route(request.device)
        reading, headers = await self._read(request, pools[0], stats)
        try:
            references = await self._encoded(request, watch)
            stats.reference_seconds = sum(each.codes.shape[1] for each in references) / self.stages.frame_rate or None
            several, rate = stats.segments != 1, self.stages.frame_rate
            pace = self._card.seconds_per_character
            script = Script(request.sampling, references, request.streaming, several, self._rules, pace, rate)
            refusals: list[Exception] = []
            for pool in pools:
                if refusals:
                    log.info("passed on to pool %s: %s", pool.name, refusals[-1])
                    if isinstance(request.text, str):  # this pool's tier has limits of its own
                        reading, headers = await self._read(request, pool, stats)
                stats.pool = pool.name
                within = STARTED_WITHIN if pool is pools[-1] else TAKEN_WITHIN
                speaking = Speaking(pool.stages, reading, script, self.limits, within, stats)
                rest = speaking.blocks()
                try:
                    first = await anext(rest, None)
                except (Busy, NotReady, OutOfMemory) as error:
                    refusals.append(error)
                    continue
                if first is None:
                    raise Unsayable(NOTHING_TO_SAY if not stats.segments else NO_SOUND)
                watch.heard(len(first) / self.stages.sample_rate)
                headers |= _origin(pool, stats) | _notes(references, speaking)
                return Speech(headers, self.stages.sample_rate, first, rest, speaking, reading, watch)
            raise refusals[0]
        except BaseException:
            await reading.aclose()
            raise

    async def preview(self, request: SynthesisRequest) -> list[Segment]:
        """The segments that `open` would speak. Raises Unsayable, TooLarge, InvalidRequest."""
        reading, _ = await self._read(request, self._route(request.device)[0], RequestStats(0, request.streaming))
        segments = []
        while (segment := await reading.next()) is not None:
            segments.append(segment)
        return segments

    async def _read(self, request: SynthesisRequest, pool: Pool, stats: RequestStats) -> tuple[Reading, dict[str, str]]:
        """The text as segments, cut as the pool's limits want it, and the response headers that say what was done to
        it. Raises Unsayable or TooLarge; InvalidRequest where only a whole text will do."""
        limits = pool.limits(self.limits)
        reader = Reader(reader_options(request, limits, self._card, self.stages.frame_rate), self._rules)
        headers = {
            "X-Seed": str(request.sampling.seed),
            "X-Hardware-Tier": header_text(limits.tier),
            "X-Max-Text-Length": str(limits.tier_text_chars),
        }
        if not isinstance(request.text, str):
            if request.on_long_text == "truncate":
                raise InvalidRequest("on_long_text 'truncate' needs the whole text at once: leave it out.")
            return StreamedText(request.text, reader, limits.text_chars, stats), headers
        text, cut = spoken_text(request.text, request.on_long_text, limits, self._rules)
        segments = read(text, reader) if len(text) <= SHORT else await asyncio.to_thread(read, text, reader)
        stats.segments = len(segments)
        return WholeText(segments), headers | cut

    def _over(self, stats: RequestStats) -> None:
        self.running -= 1
        self._record(stats)

    async def add_voice(self, voice_id: str, audio: bytes, text: str) -> tuple[str, ...]:
        """Register a voice, encoded at once: a bad recording is refused here, and no request waits for it later.
        Returns notes. Raises InvalidRequest, VoiceExists, NotAudio, TooLarge, NoSpace, Busy, NotReady."""
        check_references((Reference(audio, text),), 1, self.limits.text_chars)
        return await self._references.add(voice_id, audio, text)

    async def _encoded(self, request: SynthesisRequest, watch: RequestWatch) -> tuple[EncodedReference, ...]:
        """The voice that a request asks for; nothing, where the model picks one."""
        if request.voice is not None:
            if request.references:
                raise InvalidRequest("Give either a registered voice or reference recordings, not both.")
            found = await self._references.voice(request.voice)
            if isinstance(found, EncodedReference):
                return (found,)
            with watch.encoding():
                return (await self._references.encode_voice(found),)
        if not request.references:
            return ()
        check_references(request.references, self.limits.references, self.limits.text_chars)
        with watch.encoding():
            return tuple(await asyncio.gather(*map(self._references.encode, request.references)))


def _origin(pool: Pool, stats: RequestStats) -> dict[str, str]:
    """Headers that say what speaks."""
    headers = {"X-Device": pool.device, "X-Pool": pool.name}
    if stats.origin:
        headers |= {"X-Device": stats.origin.device, "X-Precision": stats.origin.weights}
    return headers


def _notes(references: Sequence[EncodedReference], speaking: Speaking) -> dict[str, str]:
    """Headers that say what the caller should know of the recordings and the text."""
    headers = {} if speaking.sounds else {"X-Nothing-Said": NOTHING_SAID}
    if notes := [note for reference in references for note in reference.notes]:
        headers["X-Reference-Note"] = header_text(" ".join(notes))
    return headers
