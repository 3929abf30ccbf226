"""PCM blocks -> the bytes of a container, block by block, so that audio leaves while it is still being made.

Whatever the sizes of the blocks fed, the bytes decode to the same audio. Muxing, encoding, resampling and tempo are
libav's.
"""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import av
import av.filter
import numpy as np

from models.types import InvalidRequest


@dataclass(frozen=True, slots=True)
class Format:
    """`muxer`, `codec`: libav's names, None where bytes are written here. Rates in Hz (empty: any), bit rates in
    kbit/s."""

    media_type: str
    muxer: str | None = None
    codec: str | None = None
    rates: tuple[int, ...] = ()
    bitrates: range | None = None
    default_bitrate: int | None = None


MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_FORMATS = {
    "wav": Format("audio/wav"),
    "pcm": Format("audio/pcm"),
    "mp3": Format("audio/mpeg", "mp3", "libmp3lame", MPEG_RATES, range(8, 321), 128),
    "opus": Format("audio/ogg", "ogg", "libopus", (8000, 12000, 16000, 24000, 48000), range(6, 257), 64),
    "flac": Format("audio/flac", "flac", "flac"),
    "aac": Format("audio/aac", "adts", "aac", (*MPEG_RATES, 64000, 88200, 96000), range(16, 257), 96),
    "ulaw": Format("audio/basic", "mulaw", "pcm_mulaw", (8000,)),  # G.711, of telephones
    "alaw": Format("audio/x-alaw-basic", "alaw", "pcm_alaw", (8000,)),
}
FORMATS = {name: spec.media_type for name, spec in _FORMATS.items()}
ANY_RATE = range(8000, 192_001)
SPEEDS = (0.25, 4.0)
FILTER_BLOCK = 1024
UNKNOWN_SIZE = 0xFFFFFFFF


class ContainerEncoder(Protocol):
    """Where it does not stream, everything comes from `finish`, with exact lengths in the header. `speed`: seconds fed
    for a second that is heard. `sample_rate`: that of the bytes, in Hz."""

    media_type: str
    speed: float
    sample_rate: int

    def feed(self, pcm: np.ndarray) -> bytes:
        """Takes float32 mono in [-1, 1] (samples,); returns the bytes that are ready, often none."""

    def finish(self) -> bytes:
        """The rest of the bytes."""


def encoder(
    format: str,
    sample_rate: int,
    *,
    streaming: bool,
    bitrate_kbps: int | None = None,
    out_sample_rate: int | None = None,
    speed: float = 1.0,
) -> ContainerEncoder:
    """An encoder of one response, from PCM at `sample_rate`. A lossless format ignores `bitrate_kbps`; without
    `out_sample_rate` the format's own rate nearest above `sample_rate` is used. Raises InvalidRequest."""
    spec = _FORMATS.get(format)
    if spec is None:
        raise InvalidRequest(f"Unknown audio format {format!r}; choose one of {', '.join(FORMATS)}.")
    rate = _out_rate(format, spec, sample_rate, out_sample_rate)
    bitrate = _bitrate(format, spec, bitrate_kbps)
    low, high = SPEEDS
    if isinstance(speed, bool) or not isinstance(speed, (int, float)) or not low <= speed <= high:
        raise InvalidRequest(f"speed must lie between {low} and {high}, got {speed!r}.")
    writer: _Writer = _RawWriter(format == "wav", rate, streaming)
    if spec.codec:
        writer = _LibavWriter(spec.codec, spec.muxer, rate, bitrate, streaming)
    return _Encoder(spec.media_type, speed, rate, writer, _filters(sample_rate, rate, speed))


def _out_rate(name: str, spec: Format, model_rate: int, asked: int | None) -> int:
    if asked is None:
        above = [rate for rate in spec.rates if rate >= model_rate]
        return model_rate if not spec.rates else min(above, default=max(spec.rates))
    valid = asked in spec.rates if spec.rates else asked in ANY_RATE
    if isinstance(asked, bool) or not valid:
        choices = ", ".join(map(str, spec.rates)) or f"{ANY_RATE.start} to {ANY_RATE.stop - 1}"
        raise InvalidRequest(f"{name} cannot have a sample rate of {asked!r} Hz; choose from {choices}.")
    return asked


def _bitrate(name: str, spec: Format, asked: int | None) -> int | None:
    if asked is None or spec.bitrates is None:
        return spec.default_bitrate
    if isinstance(asked, bool) or asked not in spec.bitrates:
        bounds = f"{spec.bitrates.start} and {spec.bitrates.stop - 1}"
        raise InvalidRequest(f"The bit rate of {name} must lie between {bounds} kbit/s, got {asked!r}.")
    return asked


def _int16(pcm: np.ndarray) -> np.ndarray:
    clean = np.nan_to_num(np.asarray(pcm, dtype=np.float32).reshape(-1), nan=0.0)
    return np.rint(np.clip(clean, -1.0, 1.0) * 32767).astype("<i2")


def _frame(samples: np.ndarray, rate: int, at: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
    return frame


class _Writer(Protocol):
    def write(self, samples: np.ndarray) -> bytes: ...

    def finish(self) -> bytes: ...


class _Encoder:
    """int16 -> (tempo, resampling) -> writer."""

    def __init__(self, media_type: str, speed: float, rate: int, writer: _Writer, filters: _Filters | None) -> None:
        self.media_type, self.speed, self.sample_rate = media_type, speed, rate
        self._writer = writer
        self._filters = filters

    def feed(self, pcm: np.ndarray) -> bytes:
        samples = _int16(pcm)
        if self._filters:
            samples = self._filters.feed(samples)
        return self._writer.write(samples)

    def finish(self) -> bytes:
        rest = self._writer.write(self._filters.finish()) if self._filters else b""
        return rest + self._writer.finish()


class _Filters:
    """A libav filter chain on int16 mono samples, always fed FILTER_BLOCK at a time: what `atempo` gives depends on the
    sizes of its frames."""

    def __init__(self, rate: int, chain: list[tuple[str, str]]) -> None:
        self._rate = rate
        self._fed = 0
        self._held = np.empty(0, dtype="<i2")
        graph = av.filter.Graph()
        source = graph.add_abuffer(sample_rate=rate, format="s16", layout="mono", time_base=Fraction(1, rate))
        nodes = [graph.add(name, args) for name, args in chain]
        nodes.append(graph.add("aformat", "sample_fmts=s16:channel_layouts=mono"))
        graph.link_nodes(source, *nodes, graph.add("abuffersink")).configure()
        self._graph = graph

    def feed(self, samples: np.ndarray) -> np.ndarray:
        held = np.concatenate([self._held, samples])
        whole = len(held) - len(held) % FILTER_BLOCK
        for start in range(0, whole, FILTER_BLOCK):
            self._push(held[start : start + FILTER_BLOCK])
        self._held = held[whole:]
        return self._pull()

    def finish(self) -> np.ndarray:
        if len(self._held):
            self._push(self._held)
        self._graph.push(None)
        return self._pull()

    def _push(self, samples: np.ndarray) -> None:
        self._graph.push(_frame(samples, self._rate, self._fed))
        self._fed += len(samples)

    def _pull(self) -> np.ndarray:
        blocks = [np.empty(0, dtype="<i2")]
        while True:
            try:
                blocks.append(self._graph.pull().to_ndarray().reshape(-1))
            except (av.error.BlockingIOError, av.error.EOFError):
                return np.concatenate(blocks)


def _filters(rate: int, out_rate: int, speed: float) -> _Filters | None:
    """`atempo` keeps the pitch and is good from 0.5 to 2, so greater factors are shared between several."""
    stages = max(1, math.ceil(abs(math.log2(speed))))
    chain = [("atempo", f"{speed ** (1 / stages):.9f}")] * stages if speed != 1.0 else []
    if out_rate != rate:
        chain.append(("aresample", str(out_rate)))
    return _Filters(rate, chain) if chain else None


class _RawWriter:
    """s16le samples; for WAV behind a header. A streamed WAV says "length unknown" the way players accept: the greatest
    size a header can hold."""

    def __init__(self, header: bool, rate: int, streaming: bool) -> None:
        self._rate = rate
        self._streaming = streaming
        self._header = header
        self._held = bytearray()

    def write(self, samples: np.ndarray) -> bytes:
        self._held += samples.tobytes()
        return self._take(UNKNOWN_SIZE) if self._streaming and self._held else b""

    def finish(self) -> bytes:
        return self._take(UNKNOWN_SIZE if self._streaming else len(self._held))

    def _take(self, data_size: int) -> bytes:
        head = _wav_header(self._rate, data_size) if self._header else b""
        taken, self._header, self._held = b"".join((head, self._held)), False, bytearray()
        return taken


def _wav_header(rate: int, data_size: int) -> bytes:
    """44 bytes: RIFF, a fmt chunk for 16-bit mono PCM, and the data chunk's beginning."""
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    riff_size = min(UNKNOWN_SIZE, data_size + 36)
    return struct.pack("<4sI4s", b"RIFF", riff_size, b"WAVE") + fmt + struct.pack("<4sI", b"data", data_size)


class _Pipe:
    """What libav writes to: `take` empties it. It has no `seek`, so muxers write what needs no going back."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        self._held += data
        return len(data)

    def take(self) -> bytes:
        taken, self._held = bytes(self._held), bytearray()
        return taken


class _LibavWriter:
    """A codec and its muxer, into a pipe when streaming, else into a seekable buffer that gets exact lengths."""

    def __init__(self, codec: str, muxer: str | None, rate: int, bitrate_kbps: int | None, streaming: bool) -> None:
        self._rate = rate
        self._written = 0
        self._pipe, self._file = _Pipe() if streaming else None, io.BytesIO()
        options = {"flush_packets": "1"}
        if muxer == "ogg":
            options["page_duration"] = "20000"
        if muxer == "mp3" and streaming:
            options["write_xing"] = "0"
        self._container = av.open(self._pipe or self._file, "w", format=muxer, container_options=options)
        stream = self._container.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        self._stream = stream
        if bitrate_kbps:
            self._stream.bit_rate = bitrate_kbps * 1000
        self._container.start_encoding()

    def write(self, samples: np.ndarray) -> bytes:
        if len(samples):
            frame = _frame(samples, self._rate, self._written)
            self._written += len(samples)
            self._container.mux(self._stream.encode(frame))
        return self._pipe.take() if self._pipe else b""

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._pipe.take() if self._pipe else self._file.getvalue()
