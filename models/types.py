"""The words of the domain: what a request is, what flows between stages, and what can go wrong.

Shapes used everywhere: *codes* are int16 arrays (num_codebooks, frames); *PCM* is float32 mono in [-1, 1] (samples,).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

LEAST_RANDOM = 0.1  # of temperature and top_p
MOST_NEW_TOKENS = 8192  # of a segment; the checkpoint's context ends it sooner
# Characters of a segment, which a request may set as its `chunk_length`. Below the least, speech loses its melody.
SHORTEST_SEGMENT, USUAL_SEGMENT, LONGEST_SEGMENT = 100, 200, 1000


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next code is drawn; defaults, and the bounds of the first three, are those of upstream's HTTP schema."""

    temperature: float = 0.8
    top_p: float = 0.8
    repetition_penalty: float = 1.1
    max_new_tokens: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("temperature", LEAST_RANDOM, 1.0),
            ("top_p", LEAST_RANDOM, 1.0),
            ("repetition_penalty", 0.9, 2.0),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise InvalidRequest(f"{name} must be a number, got {value!r}")
            if not low <= value <= high:
                raise InvalidRequest(f"{name} must lie between {low} and {high}, got {value}")
        for name, low, high in (("max_new_tokens", 1, MOST_NEW_TOKENS), ("seed", 0, 2**63 - 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidRequest(f"{name} must be an integer, got {value!r}")
            if not low <= value <= high:
                raise InvalidRequest(f"{name} must lie between {low} and {high}, got {value}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording in any container (see `models.reference_encoder.audio`) and the words spoken in it."""

    audio: bytes
    text: str

    @property
    def key(self) -> str:
        """Content hash of the audio: the same recording is encoded once, whatever its transcript."""
        return hashlib.sha256(self.audio).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class EncodedReference:
    """A reference after the reference-encoder: codes (num_codebooks, frames) int16, and its transcript."""

    codes: np.ndarray
    text: str
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Content hash of what the text-to-semantic stage sees: names the voice's cached prompt prefix."""
        codes = np.ascontiguousarray(self.codes, dtype=np.int16)
        return hashlib.sha256(codes.tobytes() + b"\0" + self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Prompt:
    """One segment of text to speak in the voice of the references. `streamed`: a listener waits for its first sound.
    `needs`: frames that must fit behind the prompt, or it is refused with NoRoom. `keeps_codes`: they come back at its
    end, for a later segment to follow the voice."""

    text: str
    references: tuple[EncodedReference, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    streamed: bool = True
    needs: int = 1
    keeps_codes: bool = False


class Flush(Enum):
    """A mark in a stream of text: what is there is spoken now, whatever comes next."""

    FLUSH = "flush"


FLUSH = Flush.FLUSH
TextPieces = AsyncIterator[str | Flush]  # pieces may end anywhere, also within a word


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """One request as every protocol states it. `text`: whole, or its pieces as they are written; a stream of pieces is
    closed with the speech. `references` and `voice` exclude each other; both absent means the model picks a
    voice. `sample_rate` None keeps the checkpoint's. `device`: the kind or the pool that must speak.
    `language`: ISO 639-1, of sentences that do not tell theirs."""

    text: str | TextPieces
    references: tuple[Reference, ...] = ()
    voice: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    format: str = "wav"
    streaming: bool = False
    chunk_length: int = USUAL_SEGMENT
    normalize: bool = True
    speed: float = 1.0
    sample_rate: int | None = None
    bitrate_kbps: int | None = None
    on_long_text: str = "split"
    language: str | None = None
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a stream of codes: `frames` were generated, and it ended by itself or at its limit.

    It waited `queue_seconds` for a slot and held it for `seconds`; `cached_positions` of its prompt were not computed.
    After the first frame it took part in `decode_steps` in `decode_seconds`, `batch_width` streams a step on average
    (None without a step).
    """

    frames: int
    reached_limit: bool
    queue_seconds: float
    seconds: float
    prompt_positions: int
    cached_positions: int
    decode_steps: int
    decode_seconds: float
    batch_width: float | None


class ShoalError(Exception):
    """Anything a caller should be told. The HTTP status of each kind is decided once, in deployments/errors.py."""


class InvalidRequest(ShoalError):
    """A field is missing, of the wrong type, or out of range."""


class Unauthorized(ShoalError):
    """No API key, or a wrong one."""


class VoiceNotFound(ShoalError):
    """No registered voice has that id."""


class VoiceExists(ShoalError):
    """Another voice has that id."""


class TooLarge(ShoalError):
    """The body, the text or the recording is over its limit."""


class TooSlow(ShoalError):
    """The request's body did not arrive in time."""


class NoRoom(TooLarge):
    """A prompt leaves room for fewer frames than its text needs: for `room`."""

    def __init__(self, message: str, room: int) -> None:
        super().__init__(message, room)
        self.room = room

    def __str__(self) -> str:
        return str(self.args[0])


class NotAudio(ShoalError):
    """The reference's bytes are not a recording that can be decoded."""


class Unsayable(ShoalError):
    """The text holds nothing to say."""


class Busy(ShoalError):
    """Every slot and every waiting place is taken; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class Gone(ShoalError):
    """The client left before its audio was finished."""


class NotReady(ShoalError):
    """A stage is starting, restarting or shutting down."""


class OtherCodec(NotReady):
    """A replica has another codec than the request was made for: another checkpoint is being deployed."""


class OutOfMemory(ShoalError):
    """The request would not fit into memory."""


class NoSpace(OutOfMemory):
    """There is no space left where voices are kept. HTTP has one status for both: 507, insufficient storage."""


class CheckpointError(ShoalError):
    """A checkpoint directory is not what its config says it must be."""


class SettingsError(ShoalError):
    """A setting is unknown, impossible, or contradicts another."""
