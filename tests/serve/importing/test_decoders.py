from __future__ import annotations

import os
import shutil
import stat

import pytest

from lightpeer.errors import UnreadableError
from lightpeer.serve.importing import decoders
from lightpeer.serve.importing.decoders import open_opus, open_pcm, opus_links, sniff
from lightpeer.serve.importing.ffmpeg import NeedsFfmpegError
from tests.serve.media import fixture, ogg_checksum, samples_of, tone, write_opus, write_wav


def decode(path):
    """Format, samples and damage of a file."""
    with open_pcm(path, sniff(path)) as pcm:
        data = b"".join(pcm.blocks)
        return pcm, list(samples_of(pcm, data))


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """Give a function that puts a shell script in the place of ffmpeg."""

    def install(script):
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "ffmpeg"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(stat.S_IRWXU)
        monkeypatch.setattr(shutil, "which", lambda _name: os.fspath(program))

    return install


@pytest.fixture
def no_ffmpeg(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_wav(tmp_path, width, channels):
    pcm, samples = decode(write_wav(tmp_path / "x.wav", 2.0, width=width, channels=channels))
    assert (pcm.rate, pcm.channels, pcm.damage) == (16000, channels, "")
    expected = list(tone(32000, 16000, channels))
    assert samples == ([value >> 8 << 8 for value in expected] if width == 1 else expected)


def test_flac(tmp_path):
    pcm, samples = decode(fixture("tone.flac", tmp_path))
    assert (pcm.rate, pcm.channels, pcm.damage) == (8000, 1, "")
    assert len(samples) == 20000
    assert max(samples) == 102 * 128  # of 256ths
    assert samples[:2] == [0, 34 * 128]  # floor(102 sin(2π 440/8000))


def test_flac_of_24_bits_in_ogg(tmp_path):
    pcm, samples = decode(fixture("tone24.oga", tmp_path))
    assert (pcm.rate, pcm.channels, pcm.damage) == (8000, 2, "")
    assert len(samples) == 2 * 12000
    assert samples[:4] == [0, 0, 34 * 128, 50 * 128]


def test_vorbis(tmp_path):
    pcm, samples = decode(fixture("tone.ogg", tmp_path))
    assert (pcm.rate, pcm.channels, pcm.damage) == (16000, 2, "")
    assert len(samples) == 2 * 40000
    assert 0.3 * 32768 < max(samples) < 0.5 * 32768


def test_opus(tmp_path):
    mono, samples = decode(write_opus(tmp_path / "x.opus", 1.5))
    assert (mono.rate, mono.channels, mono.is_float) == (48000, 1, True)
    assert len(samples) == 72000
    stereo, samples = decode(write_opus(tmp_path / "y.opus", 1.5, channels=2))
    assert stereo.channels == 2
    assert len(samples) == 144_000


def test_chained_opus_is_one_after_the_other_in_stereo(tmp_path):
    one, two = write_opus(tmp_path / "1.opus", 1.0), write_opus(tmp_path / "2.opus", 1.5)
    one.write_bytes(one.read_bytes() + two.read_bytes())
    assert opus_links(one) == 2
    pcm, samples = decode(one)
    assert pcm.channels == 2
    assert len(samples) == 2 * 120_000


def test_header_gain_may_be_left_out(tmp_path):
    path = write_opus(tmp_path / "x.opus", 1.0)
    data = bytearray(path.read_bytes())
    head = data.index(b"OpusHead")
    data[head + 16 : head + 18] = (-6 * 256).to_bytes(2, "little", signed=True)
    data[22:26] = bytes(4)
    data[22:26] = ogg_checksum(data[: head + 19]).to_bytes(4, "little")
    path.write_bytes(data)

    def peak(**options):
        with open_opus(path, **options) as pcm:
            return max(samples_of(pcm, b"".join(pcm.blocks)))

    assert peak() == pytest.approx(peak(header_gain=False) / 2, rel=0.01)


@pytest.mark.parametrize(("name", "kept"), [("tone.flac", 9000), ("tone.ogg", 5000), ("tone24.oga", 5000)])
def test_a_file_cut_short_gives_what_there_is(tmp_path, name, kept):
    path = fixture(name, tmp_path)
    _, whole = decode(path)
    path.write_bytes(path.read_bytes()[:kept])
    pcm, samples = decode(path)
    assert 0 < len(samples) < len(whole)
    assert samples == whole[: len(samples)]
    assert pcm.damage


@pytest.mark.parametrize("name", ["tone.ogg", "tone24.oga"])
def test_tags_behind_ogg_are_no_damage_however_large(tmp_path, name):
    path = fixture(name, tmp_path)
    path.write_bytes(path.read_bytes() + b"TAG".ljust(128, b"\0"))
    assert decode(path)[0].damage == ""
    path.write_bytes(path.read_bytes() + bytes(200_000))
    assert decode(path)[0].damage == ""


@pytest.mark.parametrize("end", [b"OggS", b"OggS\0"])
def test_a_page_that_is_cut_before_its_flags_says_nothing(tmp_path, end):
    path = fixture("tone.ogg", tmp_path)
    path.write_bytes(path.read_bytes() + end)
    assert decode(path)[0].damage == ""


def test_wav_cut_short(tmp_path):
    path = write_wav(tmp_path / "x.wav", 2.0)
    path.write_bytes(path.read_bytes()[:30_001])
    pcm, samples = decode(path)
    assert len(samples) == (30_001 - 44) // 2
    assert pcm.damage == "it is cut short"


def with_field(path, at, value):
    data = bytearray(path.read_bytes())
    data[at : at + 4] = value.to_bytes(4, "little")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("at", "value"), [(16, 0xFFFFFFF0), (16, 0), (4, 10)])
def test_wav_whose_chunks_lie_about_their_size(tmp_path, no_ffmpeg, at, value):
    with pytest.raises(NeedsFfmpegError):
        decode(with_field(write_wav(tmp_path / "x.wav", 1.0), at, value))


def test_wav_that_was_streamed_and_does_not_know_its_length(tmp_path):
    pcm, samples = decode(with_field(write_wav(tmp_path / "x.wav", 1.0), 40, 0xFFFFFFFF))
    assert len(samples) == 16000
    assert not pcm.damage


@pytest.mark.parametrize("rate", [1, 0xFFFFFFFF])
def test_an_absurd_sample_rate(tmp_path, rate):
    with pytest.raises(UnreadableError, match="not that of music"):
        decode(with_field(write_wav(tmp_path / "x.wav", 1.0), 24, rate))


@pytest.mark.parametrize("name", ["tone.flac", "tone.ogg"])
def test_damage_in_the_middle_is_noted(tmp_path, name):
    path = fixture(name, tmp_path)
    data = bytearray(path.read_bytes())
    middle = len(data) * 2 // 3
    data[middle : middle + 300] = bytes(300)
    path.write_bytes(data)
    assert decode(path)[0].damage


@pytest.mark.parametrize(
    "content",
    [
        b"OggS" + bytes(24) + b"OpusHead",
        b"OggS" + bytes(24) + b"\x01vorbis",
        b"fLaC" + bytes(60),
        b"\x7fFLAC",
    ],
)
def test_only_the_first_bytes_are_right(tmp_path, content, no_ffmpeg):
    path = tmp_path / "x.oga"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match="damaged"):
        decode(path)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("x.mp3", b"OggS" + bytes(24) + b"OpusHead", "opus"),
        ("x.opus", b"RIFF\0\0\0\0WAVE", "wav"),
        ("x.flac", b"ID3\4", "flac"),
        ("x.opus", b"\0\0\0\x18ftypM4A ", "other"),
        ("x.mp3", b"ID3\4", "other"),
        ("x.ogg", b"OggS" + bytes(24) + b"Speex", "other"),
        ("x.wav", b"RF64\0\0\0\0WAVE", "other"),
    ],
)
def test_the_content_tells_what_it_is(tmp_path, name, content, kind):
    (tmp_path / name).write_bytes(content)
    assert sniff(tmp_path / name) == kind


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.flac", b"", "empty"),
        ("x.flac", b"\x93random", "no FLAC file"),
        ("x.opus", b"\x93random", "no Opus file"),
    ],
)
def test_what_is_no_music(tmp_path, no_ffmpeg, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableError, match=reason):
        sniff(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UnreadableError, match="No such file"):
        sniff(tmp_path / "x.flac")


def test_other_kinds_go_through_ffmpeg(tmp_path, ffmpeg):
    ffmpeg('echo "$@" >&2; printf "\\001\\000\\002\\000\\003\\000\\004\\000\\005"')  # and half a frame
    path = tmp_path / "x.mp3"
    path.write_bytes(b"\xff\xfb")
    pcm, samples = decode(path)
    assert (pcm.rate, pcm.channels, samples) == (48000, 2, [1, 2, 3, 4])


def test_more_than_two_channels_go_through_ffmpeg(tmp_path, ffmpeg):
    ffmpeg('printf "\\001\\000\\002\\000"')
    assert decode(write_wav(tmp_path / "x.wav", channels=6))[1] == [1, 2]


def test_ffmpeg_fails_at_once_or_in_the_middle(tmp_path, ffmpeg):
    path = tmp_path / "x.mp3"
    path.write_bytes(b"\xff\xfb")
    ffmpeg('[ -e "${0%/*}/again" ] && printf 1234; touch "${0%/*}/again"; exit 1')
    with pytest.raises(UnreadableError, match="ffmpeg does not know"):
        decode(path)
    pcm, samples = decode(path)
    assert len(samples) == 2
    assert pcm.damage


def test_ffmpeg_ends_with_its_reader(tmp_path, ffmpeg):
    ffmpeg("exec yes")
    path = tmp_path / "x.mp3"
    path.write_bytes(b"\xff\xfb")
    with open_pcm(path, "other") as pcm:
        assert next(pcm.blocks).startswith(b"y\ny\n")


def test_an_ffmpeg_that_gives_no_sound_is_not_waited_for(tmp_path, ffmpeg, monkeypatch):
    monkeypatch.setattr(decoders, "FFMPEG_S", 0.01)
    ffmpeg("exec tail -f /dev/null")
    path = tmp_path / "x.mp3"
    path.write_bytes(b"\xff\xfb")
    with pytest.raises(UnreadableError, match="it takes too long to decode"):
        decode(path)


def test_frames_of_ffmpeg_that_come_in_pieces(tmp_path, ffmpeg):
    ffmpeg("for half in 1 2 3 4; do printf \"\\\\$half\"; sleep 0; printf '\\0'; done")
    path = tmp_path / "x.mp3"
    path.write_bytes(b"\xff\xfb")
    assert decode(path)[1] == [1, 2, 3, 4]


def test_without_ffmpeg(tmp_path, no_ffmpeg):
    path = tmp_path / "x.mp3"
    path.write_bytes(b"\xff\xfb")
    with pytest.raises(NeedsFfmpegError):
        decode(path)


def test_what_its_own_decoder_refuses_ffmpeg_may_play(tmp_path, ffmpeg):
    path = tmp_path / "x.flac"
    path.write_bytes(b"fLaC" + bytes(60))
    ffmpeg('printf "\\001\\000\\002\\000"')
    assert decode(path)[1] == [1, 2]


def test_where_ffmpeg_refuses_too_the_first_reason_is_told(tmp_path, ffmpeg):
    path = tmp_path / "x.flac"
    path.write_bytes(b"fLaC" + bytes(60))
    ffmpeg("exit 1")
    with pytest.raises(UnreadableError, match="libFLAC finds no sound"):
        decode(path)


def test_with_ffmpeg_a_file_under_a_wrong_name_is_tried(tmp_path, ffmpeg):
    path = tmp_path / "x.flac"
    path.write_bytes(b"\x93random")
    ffmpeg('printf "\\001\\000\\002\\000"')
    assert decode(path)[1] == [1, 2]


@pytest.mark.parametrize(
    ("complaint", "is_damage"),
    [
        ("stream 0, offset 0x76f7: partial file", True),
        ("Error submitting packet to decoder: Invalid data found", True),
        ("Estimating duration from bitrate, this may be inaccurate", False),
        ("", False),
    ],
)
def test_damage_that_ffmpeg_finds_is_told(tmp_path, ffmpeg, complaint, is_damage):
    path = tmp_path / "x.m4a"
    path.write_bytes(b"\0\0\0\x18ftypM4A ")
    ffmpeg(f'printf "\\001\\000\\002\\000"; echo "{complaint}" >&2')
    pcm, samples = decode(path)
    assert samples == [1, 2]
    assert bool(pcm.damage) == is_damage


def mp3(path, frames, header=b"Info"):
    """Silence at 44.1 kHz: a first frame that says how many follow, and none of them."""
    first = (
        bytes.fromhex("fffb9064") + bytes(32) + header + (1).to_bytes(4, "big") + frames.to_bytes(4, "big")
    )
    path.write_bytes((first.ljust(417, b"\0")) + (bytes.fromhex("fffb9064") + bytes(413)) * 9)
    return path


@pytest.mark.parametrize(
    ("frames", "header", "damage"),
    [
        (115, b"Info", "it is cut short"),  # of 3.004 s
        (114, b"Info", ""),
        (77, b"Info", ""),
        (115, b"none", ""),
    ],
)
def test_mp3_that_is_shorter_than_it_says_is_cut_short(tmp_path, ffmpeg, frames, header, damage):
    ffmpeg("head -c 384000 /dev/zero")
    pcm, samples = decode(mp3(tmp_path / "x.mp3", frames, header))
    assert (len(samples) // 2, pcm.damage) == (96_000, damage)


def test_old_tags_behind_flac_are_no_damage(tmp_path):
    path = fixture("tone.flac", tmp_path)
    path.write_bytes(path.read_bytes() + b"TAG" + b"Title".ljust(125, b"\0"))
    pcm, samples = decode(path)
    assert (len(samples), pcm.damage) == (20000, "")


def test_opus_that_libopusfile_refuses_has_no_links(tmp_path):
    (tmp_path / "x.opus").write_bytes(b"OggS" + bytes(24) + b"OpusHead")
    assert opus_links(tmp_path / "x.opus") == 0
