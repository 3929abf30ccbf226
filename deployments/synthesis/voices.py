"""The voice library: recordings with their transcripts and codes, on any fsspec address.

    <url>/manifests/<hash of the id>.json    {"id", "text", "blob"}: a voice exists while this file does
    <url>/blobs/<blob>/audio                 the recording as it was sent
    <url>/blobs/<blob>/codes-<key>.npy       its codes, one file per codec that encoded it
    <url>/blobs/<blob>/words-<key>.txt       the words that belong to these codes, where they are not all of its text

A manifest is moved into place whole, after its blob, so a crash leaves at most a blob that nothing names. Nothing is
kept in memory: several replicas may share a store. Calls block on storage; from a coroutine use `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice

import fsspec
import numpy as np
from fsspec.implementations.local import LocalFileSystem

from deployments.synthesis.voice_ids import check_id
from models.suggest import did_you_mean
from models.types import InvalidRequest, NoSpace, Reference, SettingsError, VoiceExists, VoiceNotFound

FULL = (errno.ENOSPC, errno.EDQUOT)
NAMED, NAMED_CHARS = 20, 300  # of the voices that there are, in the error for one that is not


@dataclass(frozen=True, slots=True)
class Voice:
    """A registered voice. `blob` names its recording, whatever the voice is renamed to."""

    id: str
    text: str
    blob: str


def check_library(url: str) -> None:
    """Opens the library and writes there. Raises SettingsError."""
    try:
        VoiceLibrary(url).check()
    except Exception as error:  # of whatever kind the storage raises
        raise SettingsError(
            f"voices: {url} cannot be used ({error}): give a folder that Shoal may write to, or an address whose "
            "package for fsspec is installed (s3fs for s3://)"
        ) from None


class VoiceLibrary:
    """Voices below `url`: a folder, or any address fsspec knows (`s3://…`, `memory://…`)."""

    def __init__(self, url: str) -> None:
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root = root.rstrip("/")
        for folder in ("manifests", "blobs"):
            self._fs.makedirs(f"{self._root}/{folder}", exist_ok=True)

    def check(self) -> None:
        """Raises what the storage raises where it cannot be written to."""
        probe = f"{self._root}/manifests/{uuid.uuid4().hex}"
        self._fs.pipe_file(probe, b"")
        self._fs.rm_file(probe)

    def add(self, voice_id: str, audio: bytes, text: str) -> Voice:
        """Registers a recording. The caller has made sure that it decodes. Raises InvalidRequest for a bad id
        or an empty transcript or recording, VoiceExists for a taken id, NoSpace."""
        voice_id = check_id(voice_id)
        if not isinstance(text, str) or not text.strip():
            raise InvalidRequest("A voice needs its transcript: send the words spoken in the recording as text.")
        if not audio:
            raise InvalidRequest("A voice needs a recording: the audio is empty.")
        self._refuse_taken(voice_id)
        voice = Voice(voice_id, text.strip(), uuid.uuid4().hex)
        try:
            with _space():
                self._write(f"{self._folder(voice)}/audio", audio)
                self._create(voice)
        except Exception:
            self._remove(self._folder(voice))
            raise
        return voice

    def list(self) -> list[Voice]:
        """Every voice, by id."""
        return sorted(self._voices(), key=lambda voice: voice.id)

    def get(self, voice_id: str) -> Voice:
        """Raises InvalidRequest for a bad id, VoiceNotFound for an unknown one."""
        voice_id = check_id(voice_id)
        voice = self._read(self._manifest(voice_id))
        if voice is None:
            raise VoiceNotFound(f"There is no voice {voice_id!r}{self._those_there_are(voice_id)}.")
        return voice

    def reference(self, voice: Voice) -> Reference:
        """The recording and its transcript."""
        with self._present(voice):
            return Reference(self._fs.cat_file(f"{self._folder(voice)}/audio"), voice.text)

    def delete(self, voice_id: str) -> None:
        """Removes the voice, its recording and its codes."""
        voice = self.get(voice_id)
        with self._present(voice):
            self._fs.rm_file(self._manifest(voice.id))
        self._remove(self._folder(voice))

    def rename(self, old: str, new: str) -> Voice:
        """The same voice under another id; nothing is copied or encoded again. Raises what `get` and `add` raise."""
        voice, new = self.get(old), check_id(new)
        if new == voice.id:
            return voice
        self._refuse_taken(new)
        renamed = replace(voice, id=new)
        with _space():
            self._create(renamed)
        try:
            with self._present(voice):
                self._fs.rm_file(self._manifest(voice.id))
        except VoiceNotFound:
            self._fs.rm_file(self._manifest(new))
            raise
        return renamed

    def codes(self, voice: Voice, codec_key: str) -> np.ndarray | None:
        """The codes (num_codebooks, frames) int16 that the codec of that fingerprint gave, if it already encoded it."""
        try:
            data = self._fs.cat_file(self._codes_path(voice, codec_key))
            codes: np.ndarray = np.load(io.BytesIO(data), allow_pickle=False)
            return codes
        except (FileNotFoundError, ValueError, EOFError):
            return None

    def words(self, voice: Voice, codec_key: str) -> str:
        """The words that belong to the codes of that codec: less than the voice's text where the recording was cut."""
        try:
            return str(self._fs.cat_file(self._words_path(voice, codec_key)).decode())
        except (FileNotFoundError, UnicodeDecodeError):
            return voice.text

    def put_codes(self, voice: Voice, codec_key: str, codes: np.ndarray, words: str | None = None) -> None:
        """Keeps the codes of a voice, so that it is never encoded again by that codec. `words`: those that belong to
        them, if not all of its text. Raises NoSpace."""
        if not self._fs.exists(f"{self._folder(voice)}/audio"):
            return
        data = io.BytesIO()
        np.save(data, np.ascontiguousarray(codes, dtype=np.int16), allow_pickle=False)
        with _space():
            if words is not None and words != voice.text:
                self._write(self._words_path(voice, codec_key), words.encode())
            self._write(self._codes_path(voice, codec_key), data.getvalue())

    def _voices(self) -> Iterator[Voice]:
        self._fs.invalidate_cache()
        paths = self._fs.ls(f"{self._root}/manifests", detail=False)
        voices = (self._read(path) for path in paths if path.endswith(".json"))
        return (voice for voice in voices if voice)

    def _those_there_are(self, wanted: str) -> str:
        """For the error: the nearest name, or some of all."""
        names = [voice.id for voice in islice(self._voices(), NAMED)]
        if not names:
            return "; none is registered yet"
        told = did_you_mean(wanted, names)
        return told if len(told) <= NAMED_CHARS else told[:NAMED_CHARS] + "…"

    def _manifest(self, voice_id: str) -> str:
        return f"{self._root}/manifests/{_digest(voice_id)}.json"

    def _folder(self, voice: Voice) -> str:
        return f"{self._root}/blobs/{voice.blob}"

    def _words_path(self, voice: Voice, codec_key: str) -> str:
        return f"{self._folder(voice)}/words-{_digest(codec_key)}.txt"

    def _codes_path(self, voice: Voice, codec_key: str) -> str:
        return f"{self._folder(voice)}/codes-{_digest(codec_key)}.npy"

    def _read(self, path: str) -> Voice | None:
        try:
            return Voice(**json.loads(self._fs.cat_file(path)))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _refuse_taken(self, voice_id: str) -> None:
        if self._read(self._manifest(voice_id)):
            raise _taken(voice_id)

    def _create(self, voice: Voice) -> None:
        """Writes the manifest. A file system with hard links lets only one of two simultaneous callers have the id;
        elsewhere the last one has it."""
        path, data = self._manifest(voice.id), json.dumps(asdict(voice)).encode()
        if not isinstance(self._fs, LocalFileSystem):
            return self._write(path, data)
        temporary = f"{path}.{uuid.uuid4().hex}"
        try:
            self._fs.pipe_file(temporary, data)
            os.link(temporary, path)
        except FileExistsError:
            if self._read(path):
                raise _taken(voice.id) from None
            self._write(path, data)  # what stands there was cut off by a power cut
        except OSError as error:
            if error.errno in FULL:
                raise
            self._write(path, data)  # on a share without hard links, as SMB may be
        finally:
            self._remove(temporary)

    def _write(self, path: str, data: bytes) -> None:
        """Readers see the file whole or not at all."""
        self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        temporary = f"{path}.{uuid.uuid4().hex}"
        try:
            self._fs.pipe_file(temporary, data)
            self._fs.mv(temporary, path)
        except Exception:
            self._remove(temporary)
            raise

    def _remove(self, folder: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm(folder, recursive=True)

    @contextlib.contextmanager
    def _present(self, voice: Voice) -> Iterator[None]:
        """Another replica may delete a voice between two reads."""
        try:
            yield
        except FileNotFoundError:
            raise VoiceNotFound(f"The voice {voice.id!r} was deleted a moment ago.") from None


@contextlib.contextmanager
def _space() -> Iterator[None]:
    """A full disk, or a quota that is used up, as NoSpace."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        message = "There is no space left where voices are kept: delete voices, or free space on that disk."
        raise NoSpace(message) from error


def _taken(voice_id: str) -> VoiceExists:
    return VoiceExists(f"The voice {voice_id!r} is already there; rename or delete it first, or choose another id.")


def _digest(name: str) -> str:
    """File names that every file system tells apart, however long or alike the names are."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]
