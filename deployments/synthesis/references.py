"""Whose voice speaks: recordings of a request and registered voices, as codes with the words that belong to them."""

from __future__ import annotations

import asyncio
import logging

from deployments.synthesis.encode_cache import EncodeCache
from deployments.synthesis.stages import EncodedAudio, Stages
from deployments.synthesis.voice_ids import check_id
from deployments.synthesis.voices import Voice, VoiceLibrary
from models.reference_encoder.transcripts import match
from models.types import EncodedReference, InvalidRequest, NoSpace, Reference, TooLarge

log = logging.getLogger(__name__)

LEAST_ROOM_SECONDS = 5.0  # of text and speech that a voice must leave room for: a short sentence


class References:
    """Encodes each recording once, and keeps the codes of registered voices."""

    def __init__(self, stages: Stages, voices: VoiceLibrary, cache: EncodeCache[EncodedAudio]) -> None:
        self._stages, self._voices, self._cache = stages, voices, cache

    async def encode(self, reference: Reference) -> EncodedReference:
        """A recording and the part of its transcript that belongs to what is used of it. Raises InvalidRequest where
        the two cannot belong together, NotAudio, TooLarge, Busy, NotReady."""
        encoded = await self._cache.get(reference.key, lambda: self._stages.encode(reference.audio))
        matched = await asyncio.to_thread(match, reference.text, encoded.heard)
        codes = encoded.codes
        if matched.seconds is not None:
            codes = codes[:, : -int(-matched.seconds * self._stages.frame_rate // 1)]
        return EncodedReference(codes, matched.text, (*encoded.notes, *matched.notes))

    async def voice(self, voice_id: str) -> EncodedReference | Voice:
        """A registered voice's codes; the voice alone, where this codec has not encoded it yet. Raises InvalidRequest,
        VoiceNotFound."""

        def stored() -> EncodedReference | Voice:
            voice = self._voices.get(voice_id)
            codes = self._voices.codes(voice, self._stages.codec_key)
            if codes is None:
                return voice
            return EncodedReference(codes, self._voices.words(voice, self._stages.codec_key))

        return await asyncio.to_thread(stored)

    async def encode_voice(self, voice: Voice) -> EncodedReference:
        """A registered voice's codes, encoded now and stored for good."""
        encoded = await self.encode(await asyncio.to_thread(self._voices.reference, voice))
        try:
            await asyncio.to_thread(self._voices.put_codes, voice, self._stages.codec_key, encoded.codes, encoded.text)
        except NoSpace as error:
            log.warning("the codes of voice %r are not kept: %s", voice.id, error)
        return encoded

    async def add(self, voice_id: str, audio: bytes, text: str) -> tuple[str, ...]:
        """Register a voice, encoded at once: a bad recording is refused here, and no request waits for it later.
        Returns notes. Raises InvalidRequest, VoiceExists, NotAudio, TooLarge, NoSpace, Busy, NotReady."""
        voice_id = check_id(voice_id)
        encoded = await self.encode(Reference(audio, text))
        if await self._stages.room(encoded) < LEAST_ROOM_SECONDS * self._stages.frame_rate:
            raise TooLarge(
                "The recording and its transcript leave no room for speech in this model: send a shorter recording, of "
                "10 s for example, with the words spoken in it."
            )
        voice = await asyncio.to_thread(self._voices.add, voice_id, audio, text)
        try:
            await asyncio.to_thread(self._voices.put_codes, voice, self._stages.codec_key, encoded.codes, encoded.text)
        except NoSpace:
            await asyncio.to_thread(self._voices.delete, voice_id)
            raise
        return encoded.notes


def check_references(references: tuple[Reference, ...], most: int, most_chars: int) -> None:
    """Raises InvalidRequest for too many references, TooLarge for a transcript over `most_chars`."""
    if len(references) > most:
        raise InvalidRequest(f"At most {most} references, got {len(references)}.")
    for reference in references:
        if len(reference.text) > most_chars:
            raise TooLarge(f"A reference's text has {len(reference.text)} characters, over {most_chars}.")
