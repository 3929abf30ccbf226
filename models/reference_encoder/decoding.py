"""A file as people send it -> one channel of samples at the recording's own rate.

libav decodes, from memory only. What a file may cost is bounded: bytes, seconds, rate, channels and time. Only the
containers and codecs named here are opened: players' formats for playlists and scenes, which name other files, are not
among them, no protocol is allowed, and no picture is decoded.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import av
import numpy as np

from models.reference_encoder.mixing import Mixer, Wave
from models.reference_encoder.resampling import resample
from models.types import NotAudio, TooLarge

CONTAINERS = (
    "wav,w64,flac,mp3,ogg,mov,matroska,aac,aiff,caf,amr,au,avi,mpegts,mpeg,asf,xwma,flv,loas,"
    "ac3,eac3,wv,tta,ape,tak,voc,nistsphere,ircam,sox,qcp,rm"
)
CODECS = (
    "aac,aac_latm,ac3,eac3,mp1,mp1float,mp2,mp2float,mp3,mp3float,vorbis,opus,libopus,speex,nellymoser,"
    "flac,alac,wavpack,tta,ape,tak,wmav1,wmav2,wmapro,wmavoice,wmalossless,cook,sipr,real_144,real_288,"
    "amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,gsm,gsm_ms,g722,g726,g726le,g723_1,g729,ilbc,qcelp,evrc,truespeech,"
    "pcm_u8,pcm_s8,pcm_s8_planar,pcm_alaw,pcm_mulaw,pcm_s16le,pcm_s16be,pcm_s16le_planar,pcm_s16be_planar,pcm_u16le,"
    "pcm_u16be,pcm_s24le,pcm_s24be,pcm_s24le_planar,pcm_u24le,pcm_u24be,pcm_s32le,pcm_s32be,pcm_s32le_planar,pcm_u32le,"
    "pcm_u32be,pcm_s64le,pcm_s64be,pcm_f16le,pcm_f24le,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_bluray,pcm_dvd,"
    "adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,adpcm_ima_oki,adpcm_yamaha,adpcm_swf,adpcm_ct,adpcm_sbpro_2,adpcm_sbpro_3,"
    "adpcm_sbpro_4"
)
FORMATS_IN_WORDS = "wav, flac, mp3, ogg, opus, m4a or webm"
PLAYLISTS = ("#extm3u", "[playlist]", "ffconcat", "<asx", "<smil", "<?xml", "<playlist", "<mpd", "v=0")

# Containers whose header tells how long they are; elsewhere libav guesses from the bit rate.
TELL_LENGTH = {"wav", "w64", "flac", "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "aiff", "caf", "au", "avi", "asf"}
CUT_OFF_SECONDS = 0.5  # by which a file may be shorter than it says

MOST_RATES = 8  # that a file made of several may change between


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What a file may cost. `read_seconds`: how much of a recording is decoded, leading silence included;
    `decode_seconds`: of work."""

    max_bytes: int = 32 * 2**20
    read_seconds: float = 60.0
    decode_seconds: float = 30.0
    min_rate: int = 1_000
    max_rate: int = 384_000
    max_channels: int = 64


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """`wave`: (samples,). `whole`: its end was reached. `damaged`: parts of it were not decoded, or its end is
    missing. `channel`: the only one that was used, in words."""

    wave: Wave
    rate: int
    whole: bool
    damaged: bool
    channel: str | None = None


def decode(audio: bytes, limits: FileLimits) -> Decoded:
    """The mean of a recording's channels, or the loudest channel where they cancel each other.

    Raises NotAudio (empty, not a recording, cut off before its first sample) or TooLarge.
    """
    if not audio:
        raise NotAudio(f"The reference audio is empty; send a recording as {FORMATS_IN_WORDS}.")
    if len(audio) > limits.max_bytes:
        raise TooLarge(
            f"The reference audio is {len(audio) / 2**20:.1f} MiB, over the limit of "
            f"{limits.max_bytes / 2**20:.0f} MiB; 10 to 30 seconds of speech are enough."
        )
    mixer = Mixer()
    decoded = _decode(audio, limits, mixer)
    if (loudest := mixer.loudest_of_cancelling()) is None:
        return decoded
    alone = _decode(audio, limits, Mixer(loudest))
    name = ("left channel", "right channel")[loudest] if mixer.channels == 2 else f"channel {loudest + 1}"
    return replace(alone, channel=name)


def _decode(audio: bytes, limits: FileLimits, mixer: Mixer) -> Decoded:
    options = {"format_whitelist": CONTAINERS, "codec_whitelist": CODECS, "protocol_whitelist": ""}
    blocks: list[tuple[int, Wave]] = []
    seconds, failures = 0.0, 0
    deadline = time.monotonic() + limits.decode_seconds
    try:
        with av.open(io.BytesIO(audio), "r", container_options=options) as container:
            stream = _sound(container)
            told = _told(container, stream, audio)
            for packet in _packets(container, stream):
                if time.monotonic() > deadline:
                    raise NotAudio("The reference audio takes too long to decode; export it again as WAV.")
                try:
                    frames = packet.decode() if packet else []
                except av.error.FFmpegError:
                    packet, frames = None, []
                failures += packet is None
                for frame in frames:
                    _check(frame, limits)
                    blocks.append((frame.sample_rate, mixer.mix(frame)))
                    seconds += frame.samples / frame.sample_rate
                if seconds >= limits.read_seconds:
                    break
    # IndexError is PyAV's, for a track that a damaged file begins after its list of tracks was read.
    except (av.error.FFmpegError, ValueError, OSError, IndexError) as error:
        raise _undecodable(audio) from error
    if not seconds or failures > len(blocks):
        raise _undecodable(audio)
    whole = seconds < limits.read_seconds
    short = told is not None and told > seconds + max(CUT_OFF_SECONDS, 0.02 * seconds)
    damaged = failures > 0 or (whole and (short or _lacks_its_end(audio)))
    wave, rate = _joined(blocks)
    return Decoded(wave[: int(limits.read_seconds * rate)], rate, whole, damaged)


def _sound(container: av.container.InputContainer) -> av.AudioStream:
    stream = container.streams.best("audio")
    if not isinstance(stream, av.AudioStream):
        raise NotAudio("The reference file has no sound track; send a recording of someone speaking.")
    if stream.codec_context is None or stream.codec_context.name not in CODECS.split(","):
        raise NotAudio(f"The reference audio is in a codec that is not decoded here; send {FORMATS_IN_WORDS}.")
    return stream


def _told(container: av.container.InputContainer, stream: av.AudioStream, audio: bytes) -> float | None:
    """Seconds that the file's header tells, where it does."""
    name = container.format.name
    if name not in TELL_LENGTH and not (name == "mp3" and any(tag in audio[: 2**20] for tag in (b"Xing", b"Info"))):
        return None
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _lacks_its_end(audio: bytes) -> bool:
    """Whether a RIFF file (WAV, AVI) or the last page of an Ogg file is shorter than it says. Who writes RIFF as a
    stream says nothing of its length, or the utmost."""
    if audio.startswith(b"RIFF"):
        return len(audio) < 8 + int.from_bytes(audio[4:8], "little") < 0x7FFF0000
    if audio.startswith(b"OggS"):
        page = audio[audio.rfind(b"OggS") :]
        lengths = page[27 : 27 + page[26]] if len(page) > 26 else b""
        return len(page) < 27 + len(lengths) + sum(lengths) or not lengths
    return False


def _packets(
    container: av.container.InputContainer, stream: av.AudioStream
) -> Iterator[av.Packet[av.AudioStream] | None]:
    """Its packets, and None last where the rest of a cut-off file cannot be read."""
    packets = container.demux(stream)
    while True:
        try:
            yield next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError:
            yield None
            return


def _check(frame: av.AudioFrame, limits: FileLimits) -> None:
    if not limits.min_rate <= frame.sample_rate <= limits.max_rate:
        raise NotAudio(f"The reference audio has a sample rate of {frame.sample_rate} Hz; export it at 16 to 48 kHz.")
    if frame.layout.nb_channels > limits.max_channels:
        channels = frame.layout.nb_channels
        raise NotAudio(f"The reference audio has {channels} channels; export it as mono or stereo.")


def _joined(blocks: list[tuple[int, Wave]]) -> tuple[Wave, int]:
    """All blocks at one rate, the highest: recordings of different rates may follow each other in one file."""
    runs = [(rate, np.concatenate([wave for _, wave in run])) for rate, run in groupby(blocks, lambda block: block[0])]
    highest = max(rate for rate, _ in runs)
    if len(runs) > MOST_RATES:
        raise NotAudio("The reference audio changes its sample rate again and again; export it again as WAV.")
    return np.concatenate([resample(wave, rate, highest) for rate, wave in runs]), highest


def _undecodable(audio: bytes) -> NotAudio:
    """Why a file could not be decoded, as far as its first bytes tell."""
    begin = audio[:512].decode("utf-8-sig", "replace").lstrip().lower()
    if begin.startswith(PLAYLISTS):
        reason = "it is a playlist, which only names recordings"
    elif begin.startswith(("<!doctype", "<html")):
        reason = "it is a web page"
    elif begin and "\ufffd" not in begin[:-4] and all(letter.isprintable() or letter.isspace() for letter in begin):
        reason = "it is text"
    else:
        reason = "it is not a recording, is cut off, or holds no samples"
    return NotAudio(f"The reference audio cannot be decoded: {reason}. Send {FORMATS_IN_WORDS}.")
