"""The tags that real programs write: what one format calls them, the others call otherwise."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from mutagen import oggopus
from mutagen.apev2 import APEv2
from mutagen.dsf import DSF
from mutagen.id3 import ID3, TALB, TIT2, TPE1, TPE2, TRCK, TXXX

from lightpeer.core.content.album import AlbumPlace
from lightpeer.errors import MissingLibraryError
from lightpeer.serve.importing.stored_tags import stored_tags
from lightpeer.serve.importing.tags import Tags, read_tags
from tests.serve.media import fixture, write_opus, write_wav


def opus(path: Path, **fields: list[str]) -> Path:
    file = oggopus.OggOpus(write_opus(path, 1.0))
    file.tags.clear()
    file.tags.update(fields)
    file.save()
    return path


def wavpack(path: Path) -> Path:
    """The header of one block of 44.1 kHz in stereo, and nothing in it."""
    path.write_bytes(struct.pack("<4sIHBBIIIII", b"wvpk", 24, 0x407, 0, 0, 44100, 0, 44100, 9 << 23, 0))
    return path


def dsf(path: Path) -> Path:
    form = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 2, 2, 2822400, 1, 2822400, 4096, 0)
    data = struct.pack("<4sQ", b"data", 12)
    path.write_bytes(struct.pack("<4sQQQ", b"DSD ", 28, 28 + len(form + data), 0) + form + data)
    return path


@pytest.mark.parametrize(
    ("fields", "artist"),
    [
        ({"artist": ["Alpha", "Beta", "Alpha"]}, "Alpha, Beta"),
        ({"albumartist": ["Various"]}, "Various"),
        ({"album artist": ["Various"]}, "Various"),
        ({"artist": ["", " "], "albumartist": ["Various"]}, "Various"),
        ({"artist": [" ", "Second"]}, "Second"),
        ({}, ""),
    ],
)
def test_every_artist_counts_and_a_blank_one_does_not(tmp_path, fields, artist):
    path = opus(tmp_path / "x.opus", title=["Title"], **fields)
    assert read_tags(path) == Tags("Title", artist)


def test_apev2(tmp_path):
    path = wavpack(tmp_path / "x.wv")
    tags = APEv2()
    fields = {"Title": "Weg", "Artist": "Eins\0Zwei", "Track": "3/9", "REPLAYGAIN_TRACK_GAIN": "-3.00 dB"}
    tags.update(fields)
    tags.save(path)
    assert read_tags(path) == Tags("Weg", "Eins, Zwei", "", -768, AlbumPlace(track=3, tracks=9))
    assert stored_tags(path)["tracknumber"] == ["3/9"]


def test_id3_in_dsf(tmp_path):
    file = DSF(dsf(tmp_path / "x.dsf"))
    file.add_tags()
    for frame in (TIT2(text="Title"), TPE1(text=["A", "B"]), TALB(text="Album"), TRCK(text="7")):
        file.tags.add(frame)
    file.tags.add(TXXX(desc="replaygain_track_gain", text="-1 dB"))
    file.save()
    assert read_tags(tmp_path / "x.dsf") == Tags("Title", "A, B", "Album", -256, AlbumPlace(track=7))


def test_id3_in_front_of_flac_gives_way_to_its_own(tmp_path):
    path = fixture("tone.flac", tmp_path)
    front = tmp_path / "front"
    front.touch()
    tags = ID3()
    tags.add(TIT2(text="Track01"))
    tags.add(TPE2(text="Nobody"))
    tags.save(front)
    path.write_bytes(front.read_bytes() + path.read_bytes())
    assert read_tags(path).title == "Söndag"


def info(*entries: tuple[bytes, bytes]) -> bytes:
    body = b"INFO"
    for name, text in entries:
        body += name + struct.pack("<I", len(text)) + text + bytes(len(text) % 2)
    return b"LIST" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_the_info_list_of_wav(tmp_path, encoding):
    path = write_wav(tmp_path / "x.wav", 1.0)
    more = b"LIST" + struct.pack("<I", 5) + b"adtlx\0"  # another list, of odd size
    entries = info((b"INAM", "Café\0".encode(encoding)), (b"IART", "Björk".encode(encoding)))
    path.write_bytes(path.read_bytes() + more + entries + b"LI")
    assert read_tags(path) == Tags("Café", "Björk")


def test_what_mutagen_does_not_read_ffmpeg_is_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "x.weba"
    path.write_bytes(b"\x1aE\xdf\xa3" + bytes(99))
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert stored_tags(path) == {}
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text("#!/bin/sh\nprintf ';FFMETADATA1\\nTITLE=A\\\\=B\\nartist=C\\n'\n")
    ffmpeg.chmod(stat.S_IRWXU)
    monkeypatch.setattr(shutil, "which", lambda _name: os.fspath(ffmpeg))
    assert stored_tags(path) == {"title": ["A=B"], "artist": ["C"]}

    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("ffmpeg", 10)

    monkeypatch.setattr(subprocess.Popen, "communicate", hang)
    assert stored_tags(path) == {}


def test_without_mutagen_the_list_of_wav_is_read_and_of_others_the_reason_is_one_sentence(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "mutagen", None)
    path = write_wav(tmp_path / "x.WAV", 1.0)
    path.write_bytes(path.read_bytes() + info((b"INAM", b"Title")))
    assert read_tags(path).title == "Title"
    with pytest.raises(MissingLibraryError) as raised:
        stored_tags(write_opus(tmp_path / "x.opus", 1.0))
    assert str(raised.value) == "tags of OPUS files are not read: pip install 'lightpeer[serve]'"
