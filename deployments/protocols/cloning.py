"""The voice of a speech request, as every protocol may give it: a registered one, or recordings with their words."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Annotated

from pydantic import AliasChoices, Field
from starlette.requests import HTTPConnection

from deployments.protocols import fields
from deployments.protocols.base import pipeline_of
from models.types import Reference, VoiceNotFound

VOICE_NOTE = "No voice of this name is registered; the model chose one."
UNCHOSEN = "default"  # what clients of every protocol send for no voice in particular


class ReferenceAudio(fields.Fields):
    """A recording and the words spoken in it."""

    audio: fields.Audio
    text: str


class Cloning(fields.Generation):
    """Recordings come in a list (`references`), or side by side, one or several: `ref_audio` and `ref_text`, which
    forms call `reference_audio` and `reference_text`."""

    references: Annotated[list[ReferenceAudio], fields.Nested] = Field(default_factory=list)
    ref_audio: Annotated[list[fields.Audio], fields.Listed] = Field(
        default_factory=list, validation_alias=AliasChoices("ref_audio", "reference_audio")
    )
    ref_text: Annotated[list[str], fields.Listed] = Field(
        default_factory=list, validation_alias=AliasChoices("ref_text", "reference_text")
    )

    def recordings(self) -> tuple[Reference, ...]:
        """Every recording with its words. Raises InvalidField where one lacks the other."""
        audios, texts = self.ref_audio, self.ref_text
        if len(audios) != len(texts):
            raise fields.InvalidField(
                "Each reference_audio needs the words spoken in it as reference_text: got "
                f"{len(audios)} and {len(texts)}.",
                "reference_text",
            )
        listed = [Reference(each.audio, each.text) for each in self.references]
        return (*listed, *map(Reference, audios, texts))


async def registered_voice(
    connection: HTTPConnection, name: str | None, stock: Collection[str]
) -> tuple[str | None, str | None]:
    """The voice that `name` means, and a note. Clients send a name of `stock` when nothing was chosen: where no voice
    of that name is registered, in small letters or as sent, the model chooses one, and the note says so."""
    if name is None or name.lower() not in {*stock, UNCHOSEN}:
        return name, None
    for candidate in dict.fromkeys((name, name.lower())):
        try:
            await asyncio.to_thread(pipeline_of(connection).voices.get, candidate)
        except VoiceNotFound:
            continue
        return candidate, None
    return None, VOICE_NOTE
