"""Every container that people have, and the files that try to be more than a recording."""

from __future__ import annotations

import contextlib
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.reference_encoder.audio import AudioLimits, load
from models.reference_encoder.decoding import FileLimits, decode
from models.types import NotAudio, ShoalError
from tests.models.reference_encoder.recordings import ALLISON, RATE, alike, muxed, speech, written
from tests.paths import RECORDINGS

CONTAINERS: dict[str, Callable[[], bytes]] = {
    "amr": lambda: muxed("amr", "libopencore_amrnb", 8000, "mono"),
    "3gp of a telephone": lambda: muxed("3gp", "libopencore_amrnb", 8000, "mono"),
    "3gp with aac": lambda: muxed("3gp", "aac"),
    "au": lambda: muxed("au", "pcm_mulaw", 8000, "mono"),
    "avi": lambda: muxed("avi", "pcm_s16le", video="mpeg4"),
    "avi with mp3": lambda: muxed("avi", "libmp3lame", 44_100),
    "mpeg-ts": lambda: muxed("mpegts", "aac"),
    "mpeg-ts with mp2": lambda: muxed("mpegts", "mp2", video="mpeg2video"),
    "mpeg program stream": lambda: muxed("vob", "mp2"),
    "wma": lambda: muxed("asf", "wmav2", 44_100),
    "wma 1": lambda: muxed("asf", "wmav1", 22_050, "mono"),
    "caf": lambda: muxed("caf", "pcm_s16be", 44_100),
    "caf with alac": lambda: muxed("caf", "alac", 44_100),
    "aiff": lambda: muxed("aiff", "pcm_s16be", 44_100),
    "matroska with mp3": lambda: muxed("matroska", "libmp3lame", 44_100),
    "mp4 with a picture": lambda: muxed("mp4", "aac", video="mpeg4"),
    "mov": lambda: muxed("mov", "alac", 44_100),
    "flv": lambda: muxed("flv", "libmp3lame", 44_100),
    "ac3": lambda: muxed("ac3", "ac3"),
    "wavpack": lambda: muxed("matroska", "wavpack", 44_100),
    "tta": lambda: muxed("tta", "tta", 44_100),
    "g.711 in wav": lambda: muxed("wav", "pcm_alaw", 8000, "mono"),
    "adpcm in wav": lambda: muxed("wav", "adpcm_ms", 22_050, "mono"),
    "voc": lambda: muxed("voc", "pcm_s16le", 22_050, "mono"),
    "sox": lambda: muxed("sox", "pcm_s32le", 22_050, "mono"),
    "w64": lambda: muxed("w64", "pcm_s24le", 96_000),
    "latm": lambda: muxed("latm", "aac"),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_gives_the_same_speech(name: str) -> None:
    loaded = load(CONTAINERS[name](), RATE)
    assert loaded.seconds_in == pytest.approx(5, abs=0.2)
    assert alike(loaded.waveform, speech()) > 0.9
    assert loaded.notes == ()


def test_two_mp3s_of_different_rates_are_one_recording() -> None:
    first = written(speech(5), 16_000, "MP3")
    for rate, layout in ((44_100, "stereo"), (48_000, "mono"), (22_050, "stereo")):
        second = muxed("mp3", "libmp3lame", rate, layout)
        loaded = load(first + second, RATE)
        assert loaded.seconds_in == pytest.approx(10, abs=0.3)
        middle = int(5.1 * RATE)  # about which encoders add some silence
        assert alike(loaded.waveform[:middle], speech(5)) > 0.9
        assert alike(loaded.waveform[middle - RATE // 10 :], speech(5)) > 0.9


def test_a_rate_that_changes_again_and_again_is_refused() -> None:
    parts = [written(speech(0.5), rate, "MP3") for rate in (16_000, 8000)]
    with pytest.raises(NotAudio, match="again and again"):
        load(b"".join(parts * 5), RATE)


def test_the_best_sound_track_is_taken_and_cover_art_ignored() -> None:
    picture = muxed("mp4", None, video="mpeg4")
    assert load(_with_cover(written(speech(), 44_100, "MP3"), picture), RATE).seconds_in == pytest.approx(1.8, abs=0.3)


def _with_cover(mp3: bytes, picture: bytes) -> bytes:
    """An ID3 tag with a picture (in which there is none) before the frames."""
    body = b"\0image/png\0\x03\0" + b"\x89PNG\r\n\x1a\n" + picture
    frame = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    size = bytes((len(frame) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame + mp3


WHOLE = {
    "wav": lambda: written(speech(8)),
    "flac": lambda: written(speech(8), format="FLAC"),
    "mp3": lambda: written(speech(8), format="MP3"),
    "webm": lambda: muxed("webm", "libopus", wave=speech(8)),
    "ogg": lambda: written(speech(8), format="OGG"),
    "avi": lambda: muxed("avi", "pcm_s16le", wave=speech(8)),
    "au": lambda: muxed("au", "pcm_s16be", wave=speech(8)),
    "aiff": lambda: muxed("aiff", "pcm_s16be", wave=speech(8)),
    "wma": lambda: muxed("asf", "wmav2", 44_100, wave=speech(8)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_cut_off_gives_what_it_holds_and_a_note(name: str) -> None:
    whole = WHOLE[name]()
    assert "cut off" not in " ".join(load(whole, RATE).notes)
    loaded = load(whole[: int(0.6 * len(whole))], RATE)
    assert 3.5 < loaded.seconds_in < 5.6
    assert alike(loaded.waveform, speech(8)[: int(4.5 * 16_000)]) > 0.9
    assert "damaged or cut off" in loaded.notes[0]


def test_damage_in_the_middle_costs_only_that_place() -> None:
    whole = bytearray(written(speech(10), format="MP3"))
    middle = len(whole) // 2
    whole[middle : middle + 700] = os.urandom(700)
    loaded = load(bytes(whole), RATE)
    assert loaded.seconds_in == pytest.approx(10, abs=0.4)


# What must not be opened: files that name other files.
REFERRING = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
    "m3u": "#EXTM3U\n#EXTINF:9,\n{}\n",
    "pls": "[playlist]\nFile1={}\nNumberOfEntries=1\nVersion=2\n",
    "ffconcat": "ffconcat version 1.0\nfile '{}'\n",
    "asx": "<asx version='3.0'><entry><ref href='{}'/></entry></asx>",
    "smil": "<smil><body><audio src='{}'/></body></smil>",
    "xspf": "<?xml version='1.0'?><playlist><trackList><location>{}</location></trackList></playlist>",
    "dash": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>{}</BaseURL></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\na=control:{}\n",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", REFERRING)
@pytest.mark.parametrize("address", ["{}", "file:{}", "file://{}"])
def test_no_file_is_opened_that_another_names(name: str, address: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap.wav"
    os.mkfifo(trap)  # whoever opens it waits for ever
    with pytest.raises(NotAudio, match="cannot be decoded: it is a playlist"):
        load(REFERRING[name].format(address.format(trap)).encode(), RATE)


def test_a_film_that_lies_elsewhere_is_not_fetched() -> None:
    """QuickTime may keep its sound in another file: the samples of this one are said to lie at an absolute path."""
    film = muxed("mov", "pcm_s16le", 16_000, "mono")
    path = str(RECORDINGS / "allison-en.wav").encode()
    itself = struct.pack(">I4sI", 12, b"url ", 1)
    alias = struct.pack(">I4sIH", 12 + 2 + 10 + len(path), b"alis", 0, len(path)) + b"\0" * 10 + path
    assert itself in film
    moved = film.replace(itself, alias)
    try:
        loaded = load(moved, RATE)
    except ShoalError:
        return
    assert alike(loaded.waveform, speech()) < 0.99 or loaded.seconds_in == pytest.approx(5, abs=0.1)


WORDS = {
    "text": (b"Dear Sir or Madam, " * 40, "it is text"),
    "base64": (b"UklGRiQAAABXQVZFZm10IBAAAAABAAEA" * 40, "it is text"),
    "a web page": (b"<!DOCTYPE html><html><body>404</body></html>", "it is a web page"),
    "a playlist with a BOM": ("\ufeff#EXTM3U\nhttp://127.0.0.1/a.mp3\n".encode(), "it is a playlist"),
    "a zip": (b"PK\x03\x04" + bytes(500), "it is not a recording"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(500), "it is not a recording"),
    "a subtitle": (b"1\n00:00:00,000 --> 00:00:09,000\nHello\n\n" * 9, "it is text"),
}


@pytest.mark.parametrize("name", WORDS)
def test_what_was_sent_instead_is_told(name: str) -> None:
    data, words = WORDS[name]
    with pytest.raises(NotAudio, match=words):
        load(data, RATE)


def test_a_picture_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A film's pictures could fill the memory: only its sound is read, whatever its size."""
    film = muxed("mp4", "aac", video="mpeg4")
    assert load(film, RATE).seconds_in == pytest.approx(5, abs=0.1)
    monkeypatch.setattr("models.reference_encoder.decoding.CODECS", "flac")
    with pytest.raises(NotAudio, match="codec that is not decoded here"):
        load(film, RATE)


def test_an_hour_costs_what_a_minute_costs() -> None:
    """A bomb: 10 hours of silence in 130 kB of FLAC, then a word."""
    limits = AudioLimits()
    bomb = written(np.zeros(8000 * 3600 * 2, np.float32), 8000, "FLAC")
    began = time.process_time()
    with pytest.raises(NotAudio, match="silent in its first 60 s"):
        load(bomb, RATE, limits)
    assert time.process_time() - began < 20


def test_decoding_that_takes_too_long_ends() -> None:
    with pytest.raises(NotAudio, match="takes too long"):
        decode(ALLISON, FileLimits(decode_seconds=-1.0))


@pytest.mark.parametrize(
    "container", ["wav", "mp3", "ogg", "m4a", "webm", "amr", "mpeg-ts", "wma", "avi", "caf", "flv"]
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_end_in_sound_or_in_words(container: str, data: st.DataObject) -> None:
    whole = bytearray(_intact(container))
    for _ in range(data.draw(st.integers(1, 30))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    whole = whole[: data.draw(st.integers(1, len(whole)))]
    try:
        loaded = load(bytes(whole), 16_000)
    except ShoalError as error:
        assert str(error).endswith(".")
        return
    assert np.isfinite(loaded.waveform).all() and np.abs(loaded.waveform).max() <= 1
    assert len(loaded.waveform) / 16_000 <= 30.3


_CACHE: dict[str, bytes] = {}


def _intact(container: str) -> bytes:
    makes = {
        "wav": lambda: written(speech(2)),
        "mp3": lambda: written(speech(2), format="MP3"),
        "ogg": lambda: written(speech(2), format="OGG"),
        "m4a": lambda: muxed("mp4", "aac", 44_100, wave=speech(2)),
        "webm": lambda: muxed("webm", "libopus", wave=speech(2)),
        "flv": lambda: muxed("flv", "libmp3lame", 44_100, wave=speech(2)),
        **{name: CONTAINERS[name] for name in ("amr", "mpeg-ts", "wma", "avi", "caf")},
    }
    if container not in _CACHE:
        _CACHE[container] = makes[container]()
    return _CACHE[container]


def test_a_file_that_never_ends_in_sense_is_read_in_bounds() -> None:
    """Twelve megabytes of broken frames: each packet fails."""
    whole = written(speech(3), format="MP3")
    data = whole + b"\xff\xfb\x90\x00" * (3 * 2**20)
    began = time.process_time()
    with contextlib.suppress(NotAudio):
        load(data, 16_000)
    assert time.process_time() - began < 40
