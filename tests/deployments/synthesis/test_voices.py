"""The voice library on a real folder and in memory, over restarts, replicas and crashes."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from deployments.synthesis.voices import VoiceLibrary, check_library
from models.types import InvalidRequest, NoSpace, SettingsError, VoiceExists, VoiceNotFound
from tests.paths import RECORDINGS

AUDIO = (RECORDINGS / "june-fr.wav").read_bytes()
CODES = np.arange(40, dtype=np.int16).reshape(10, 4)


@pytest.fixture(params=["folder", "memory"])
def url(request, tmp_path) -> str:
    return str(tmp_path / "voices") if request.param == "folder" else f"memory://{uuid.uuid4().hex}"


def test_a_voice_outlives_the_process_that_added_it(url):
    VoiceLibrary(url).add("June - Paris_2", AUDIO, " Félicitations. ")
    library = VoiceLibrary(url)
    voice = library.get("June - Paris_2")
    assert library.list() == [voice] and voice.text == "Félicitations."
    assert library.reference(voice).audio == AUDIO and library.reference(voice).text == "Félicitations."


def test_codes_are_kept_per_codec(url):
    voice = VoiceLibrary(url).add("june", AUDIO, "Bonjour")
    VoiceLibrary(url).put_codes(voice, "codec-a", CODES)
    np.testing.assert_array_equal(VoiceLibrary(url).codes(voice, "codec-a"), CODES)
    assert VoiceLibrary(url).codes(voice, "codec-a").dtype == np.int16
    assert VoiceLibrary(url).codes(voice, "codec-b") is None


def test_codes_follow_a_rename_and_not_a_replacement(url):
    library = VoiceLibrary(url)
    library.put_codes(library.add("old", AUDIO, "Bonjour"), "codec", CODES)
    renamed = library.rename("old", "new")
    assert [voice.id for voice in library.list()] == ["new"]
    np.testing.assert_array_equal(library.codes(renamed, "codec"), CODES)
    library.delete("new")
    assert library.codes(library.add("new", AUDIO[:1000], "Autre"), "codec") is None


def test_codes_of_a_deleted_voice_are_not_kept(url):
    library = VoiceLibrary(url)
    voice = library.add("june", AUDIO, "Bonjour")
    library.delete("june")
    library.put_codes(voice, "codec", CODES)
    assert library.codes(voice, "codec") is None
    with pytest.raises(VoiceNotFound, match="deleted"):
        library.reference(voice)


def test_replicas_see_each_others_changes_at_once(url):
    one, other = VoiceLibrary(url), VoiceLibrary(url)
    assert other.list() == []
    one.add("june", AUDIO, "Bonjour")
    assert [voice.id for voice in other.list()] == ["june"]
    other.delete("june")
    assert one.list() == []
    with pytest.raises(VoiceNotFound, match="june"):
        one.get("june")


def test_taken_and_absent_ids(url):
    library = VoiceLibrary(url)
    first = library.add("june", AUDIO, "Bonjour")
    library.add("other", AUDIO, "Bonjour")
    with pytest.raises(VoiceExists, match="rename or delete"):
        library.add("june", b"else", "else")
    with pytest.raises(VoiceExists, match="rename or delete"):
        library.rename("other", "june")
    assert library.get("june") == library.rename("june", "june") == first
    for act in (library.get, library.delete, lambda name: library.rename(name, "free")):
        with pytest.raises(VoiceNotFound):
            act("absent")


BAD_IDS = ["", " ", ".", "..", "../x", "a/b", "a\\b", "a\0", "a\n", " a", "a ", "\u3000a", "a\u202eb", "\ud800"]
BAD_IDS += ["x" * 256, "x" * 300, None, 5]


@pytest.mark.parametrize("bad", BAD_IDS, ids=repr)
def test_ids_that_could_leave_the_folder_are_refused(tmp_path, bad):
    library = VoiceLibrary(str(tmp_path / "voices"))
    library.add("good", AUDIO, "Bonjour")
    before = sorted(tmp_path.rglob("*"))
    acts = [library.get, library.delete, lambda name: library.add(name, AUDIO, "x")]
    for act in [*acts, lambda name: library.rename("good", name), lambda name: library.rename(name, "free")]:
        with pytest.raises(InvalidRequest, match="cannot name a voice"):
            act(bad)
    assert sorted(tmp_path.rglob("*")) == before


def test_ids_that_differ_in_case_or_are_long_are_kept_apart(url):
    library = VoiceLibrary(url)
    names = ["x" * 255, "June", "june", "CON", "-", "a  b", "José", "田中", "a.b", ".a", "Zoë (old) #2", "👩🏽"]
    for name in names:
        library.add(name, AUDIO[:100] + name.encode(), "Bonjour")
    assert {library.reference(voice).audio[100:].decode() for voice in library.list()} == set(names)


def test_an_accent_is_the_same_however_it_was_typed(url):
    library = VoiceLibrary(url)
    library.add("Jose\u0301", AUDIO, "Bonjour")
    assert library.get("Jos\u00e9") == library.get("Jose\u0301") and library.list()[0].id == "Jos\u00e9"
    assert library.rename("Jos\u00e9", "Jose\u0301").id == "Jos\u00e9"
    library.delete("Jose\u0301")
    assert library.list() == []


def test_a_voice_needs_words_and_sound(url):
    library = VoiceLibrary(url)
    for audio, text in ((b"", "Bonjour"), (AUDIO, ""), (AUDIO, "  "), (AUDIO, None)):
        with pytest.raises(InvalidRequest, match="A voice needs"):
            library.add("june", audio, text)
    assert library.list() == []


class Crash(BaseException):
    pass


def test_a_crash_at_any_write_leaves_no_half_voice(tmp_path, monkeypatch):
    def add_and_crash(library: VoiceLibrary, writes: int) -> bool:
        """Whether the voice was added before the `writes` that are allowed ran out."""
        left = iter(range(writes))

        def limited(method, *args, **kwargs):
            if next(left, None) is None:
                raise Crash
            return method(*args, **kwargs)

        with monkeypatch.context() as patch:
            for name in ("pipe_file", "mv", "makedirs"):
                patch.setattr(library._fs, name, partial(limited, getattr(library._fs, name)))
            with contextlib.suppress(Crash):
                library.add("june", AUDIO, "Bonjour")
                return True
        return False

    for writes in range(20):
        library = VoiceLibrary(str(tmp_path / str(writes)))
        if add_and_crash(library, writes):
            assert writes > 2
            return
        assert library.list() == []
        assert library.add("june", AUDIO, "Bonjour") == library.get("june")
    pytest.fail("adding a voice never finished")


def test_unreadable_files_are_not_voices(tmp_path):
    library = VoiceLibrary(str(tmp_path))
    voice = library.add("june", AUDIO, "Bonjour")
    (tmp_path / "manifests" / "broken.json").write_bytes(b'{"id": "ju')
    (tmp_path / "manifests" / "other.json").write_bytes(b'{"name": 1}')
    library.put_codes(voice, "codec", CODES)
    next(tmp_path.rglob("codes-*.npy")).write_bytes(b"\x93NUMPY")
    assert library.list() == [voice]
    assert library.codes(voice, "codec") is None


def test_a_share_without_hard_links_takes_voices(tmp_path, monkeypatch):
    def refused(source: str, target: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    library = VoiceLibrary(str(tmp_path))
    assert library.add("june", AUDIO, "Bonjour") == library.get("june")
    assert library.rename("june", "july").id == "july"
    assert [voice.id for voice in library.list()] == ["july"]
    with pytest.raises(VoiceExists):
        library.add("july", AUDIO, "Bonjour")


def test_of_many_simultaneous_callers_one_gets_the_id(tmp_path):
    def add(number: int) -> bytes | None:
        audio = AUDIO[:1000] + bytes([number])
        try:
            VoiceLibrary(str(tmp_path)).add("june", audio, "Bonjour")
        except VoiceExists:
            return None
        return audio

    with ThreadPoolExecutor(16) as pool:
        won = [audio for audio in pool.map(add, range(64)) if audio]
    library = VoiceLibrary(str(tmp_path))
    assert won == [library.reference(library.get("june")).audio]
    assert len(list((tmp_path / "blobs").iterdir())) == 1
    assert len(list((tmp_path / "manifests").iterdir())) == 1


def test_a_full_disk_keeps_nothing_of_a_refused_voice(tmp_path, monkeypatch):
    library = VoiceLibrary(str(tmp_path))

    def full(path: str, data: bytes) -> None:
        Path(path).write_bytes(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(library._fs, "pipe_file", full)
        with pytest.raises(NoSpace, match="no space left where voices are kept"):
            library.add("june", AUDIO, "Bonjour")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_at_any_write_is_told(tmp_path, monkeypatch, code):
    library = VoiceLibrary(str(tmp_path))
    library.add("old", AUDIO, "Bonjour")

    def full(path: str, data: bytes) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(library._fs, "pipe_file", full)
    for act in (
        lambda: library.add("june", AUDIO, "Bonjour"),
        lambda: library.rename("old", "new"),
        lambda: library.put_codes(library.get("old"), "codec", CODES),
    ):
        with pytest.raises(NoSpace, match="delete voices, or free space"):
            act()
    assert [voice.id for voice in library.list()] == ["old"]


def test_words_belong_to_codes_and_not_to_the_voice(url):
    library = VoiceLibrary(url)
    voice = library.add("june", AUDIO, "Bonjour. Au revoir.")
    library.put_codes(voice, "coarse", CODES)
    library.put_codes(voice, "fine", CODES[:, :2], "Bonjour.")
    assert [library.words(voice, key) for key in ("coarse", "fine", "other")] == [voice.text, "Bonjour.", voice.text]
    library.delete("june")
    assert library.words(voice, "fine") == voice.text


def test_a_voice_that_a_power_cut_left_empty_is_replaced(tmp_path):
    library = VoiceLibrary(str(tmp_path))
    library.add("june", AUDIO, "Bonjour")
    next((tmp_path / "manifests").iterdir()).write_bytes(b"")
    assert library.list() == []
    assert library.add("june", AUDIO, "Bonjour") == library.get("june")


def test_a_voice_deleted_while_it_is_renamed_is_gone(tmp_path, monkeypatch):
    library = VoiceLibrary(str(tmp_path))
    library.add("june", AUDIO, "Bonjour")
    create = library._create

    def deleted_meanwhile(voice) -> None:
        create(voice)
        VoiceLibrary(str(tmp_path)).delete("june")

    monkeypatch.setattr(library, "_create", deleted_meanwhile)
    with pytest.raises(VoiceNotFound):
        library.rename("june", "july")
    assert library.list() == []


@pytest.mark.parametrize("address", ["nowhere://voices", "{blocked}/voices"])
def test_a_library_that_cannot_be_used_is_refused_with_a_remedy(tmp_path, address):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, where a folder would have to be")
    with pytest.raises(SettingsError, match=r"voices: .*give a folder that Shoal may write to"):
        check_library(address.format(blocked=blocked))
    check_library(str(tmp_path / "voices"))
    assert VoiceLibrary(str(tmp_path / "voices")).list() == [], "the probe is gone"
