from __future__ import annotations

import math
import wave
from array import array
from collections.abc import Iterator
from itertools import count, islice
from random import Random

import pytest

from lightpeer.audio.ogg import Muxer
from lightpeer.audio.opus import (
    OpusHead,
    build_opus_head,
    build_opus_tags,
    packet_samples,
    parse_opus_head_untrusted,
)
from lightpeer.core.content.album import AlbumPlace
from lightpeer.core.content.manifest import track_id_of
from lightpeer.errors import UnreadableError
from lightpeer.serve.importing import decoders
from lightpeer.serve.importing.decoders import opus_links
from lightpeer.serve.importing.ingest import Recipe, make_track
from lightpeer.serve.importing.repage import StoppedError
from lightpeer.serve.importing.tags import Tags, read_tags
from tests.serve.cues import write_cue
from tests.serve.media import (
    FRAMES_60_MS,
    decoded,
    fixture,
    ogg_checksum,
    packets,
    read_track,
    segments,
    tone,
    write_opus,
    write_wav,
)

LADDER = Recipe((24, 48, 96), complexity=0)
TAGS = Tags("Title", "Artist", "Album")


def silence(_: Random) -> Iterator[int]:
    return (0 for _ in count())


def noise(random: Random) -> Iterator[int]:
    return (random.randrange(-32768, 32768) for _ in count())


def tones(_: Random) -> Iterator[int]:
    """Three at once: the most that the smallest bitrates overshoot by."""
    return (sum(int(8000 * math.sin(f * n)) for f in (0.058, 0.131, 0.524)) for n in count())


def sweeps(_: Random) -> Iterator[int]:
    return (int(29000 * math.sin(7e3 * math.sin(n / 6900) + n / 80)) for n in count())


def speech(random: Random) -> Iterator[int]:
    """Four syllables a second, of pulses, noise or nothing, through a resonance."""
    before = last = 0.0
    for n in count():
        syllable, at = divmod(n, 12_000)
        pulse = random.uniform(-900, 900) if syllable % 5 == 4 else 6000 * (n % 410 == 0)
        sound = pulse * math.sin(math.pi * at / 12_000) * (syllable % 7 != 6)
        before, last = last, sound + 1.96 * last - 0.97 * before
        yield max(-32768, min(int(last), 32767))


def strokes(random: Random) -> Iterator[int]:
    return (int(random.uniform(-32000, 32000) * math.exp(-(n % 5000) / 200)) for n in count())


SOUNDS = {f.__name__: f for f in (silence, noise, tones, sweeps, speech, strokes)}


@pytest.fixture
def make(tmp_path):
    """Give a function that makes a track of a file and returns its folder, the track and what was damaged."""
    numbers = iter(range(100))

    def run(source, *, tags=TAGS, recipe=LADDER, should_stop=lambda: False):
        folder = tmp_path / f"track{next(numbers)}"
        folder.mkdir()
        damage = make_track(source, tags, recipe, folder, should_stop)
        return folder, read_track(folder), damage

    return run


def bitrates(track):
    return [rendition.bitrate_bps // 1000 for rendition in track.renditions]


def test_a_wav_file_becomes_a_ladder(tmp_path, make):
    folder, track, damage = make(write_wav(tmp_path / "x.wav", 2.5, rate=44100, channels=2))
    assert (track.title, track.artist, track.album, damage) == ("Title", "Artist", "Album", "")
    assert bitrates(track) == [24, 48, 96]
    assert track.duration_samples == 120_000
    assert track.segment_count == 3
    for number in range(3):
        assert len(list(segments(folder, track, number))) == 3
        assert len(decoded(folder / f"{number}.opus")) == 2 * 120_000


def test_segments_line_up_and_play_from_any_rendition(tmp_path, make):
    folder, track, _ = make(write_wav(tmp_path / "x.wav", 3.2, rate=48000))
    ladder = [list(segments(folder, track, number)) for number in range(3)]
    for second in range(track.segment_count):
        starts = [
            sum(
                packet_samples(p.data)
                for p in packets(track.renditions[n].header + b"".join(cut[:second]))[2:]
            )
            for n, cut in enumerate(ladder)
        ]
        assert starts == [48000 * second] * 3
    mixed = tmp_path / "mixed.opus"
    mixed.write_bytes(
        track.renditions[0].header + b"".join(ladder[k % 3][k] for k in range(track.segment_count))
    )
    assert len(decoded(mixed)) == track.duration_samples


@pytest.mark.parametrize("name", ["tone.flac", "tone.ogg"])
def test_other_decoders(tmp_path, make, name):
    folder, track, _ = make(fixture(name, tmp_path))
    assert track.duration_samples == 120_000
    assert len(list(segments(folder, track, 2))) == track.segment_count == 3


def test_the_same_file_has_the_same_id_everywhere(tmp_path, make):
    first, track, _ = make(write_wav(tmp_path / "x.wav"))
    second, again, _ = make(write_wav(tmp_path / "y.wav"))
    assert track.track_id == again.track_id == track_id_of((first / "manifest").read_bytes())
    assert (first / "1.opus").read_bytes() == (second / "1.opus").read_bytes()
    assert make(tmp_path / "x.wav", tags=Tags("Other"))[1].track_id != track.track_id


def test_opus_of_a_fitting_bitrate_keeps_its_packets(tmp_path, make):
    source = write_opus(tmp_path / "x.opus", 3.5, kbps=50, channels=2)
    folder, track, damage = make(source)
    assert (bitrates(track), damage) == ([24, 48], "")
    assert track.renditions[0].header == track.renditions[1].header
    assert decoded(folder / "1.opus") == decoded(source)
    assert len(decoded(folder / "0.opus")) == len(decoded(source)) == 2 * track.duration_samples
    assert [len(list(segments(folder, track, n))) for n in range(2)] == [4, 4]


def test_opus_of_a_low_bitrate_is_offered_as_it_is(tmp_path, make):
    source = write_opus(tmp_path / "x.opus", 2.5, kbps=14, frames=FRAMES_60_MS)
    folder, track, _ = make(source)
    assert bitrates(track) == [14]
    assert decoded(folder / "0.opus") == decoded(source)
    assert track.gain_q8_db != 0


def test_opus_of_a_high_bitrate_is_encoded(tmp_path, make):
    folder, track, _ = make(write_opus(tmp_path / "x.opus", 2.5, kbps=160))
    assert bitrates(track) == [24, 48, 96]
    assert track.duration_samples == 120_000
    assert not (folder / "3.opus").exists()


def test_opus_that_does_not_line_up_is_encoded_at_its_own_bitrate(tmp_path, make):
    folder, track, _ = make(write_opus(tmp_path / "x.opus", 2.5, kbps=60, frames=FRAMES_60_MS))
    assert bitrates(track) == [24, 60]
    assert packet_samples(packets((folder / "1.opus").read_bytes())[2].data) == 960


def with_pre_skip(path, pre_skip):
    """The same packets under another pre-skip."""
    from lightpeer.audio.ogg import Muxer
    from lightpeer.audio.opus import OpusHead, build_opus_head

    found = packets(path.read_bytes())
    total = found[-1].granule
    with Muxer(9) as muxer:
        muxer.add(build_opus_head(OpusHead(1, pre_skip)), 0)
        data = muxer.flush()
        muxer.add(found[1].data, 0)
        data += muxer.flush()
        granule = 0
        for packet in found[2:]:
            granule = min(granule + packet_samples(packet.data), total)
            muxer.add(packet.data, granule, eos=packet.eos)
        data += muxer.flush()
    path.write_bytes(data)
    return path


def onset(path):
    samples = decoded(path)
    loud = max(samples) / 2
    return next(n for n, value in enumerate(samples) if value > loud)


@pytest.mark.parametrize("pre_skip", [312, 3840, 47_000])
def test_lower_rungs_sound_at_the_same_time_as_the_source(tmp_path, make, pre_skip):
    source = with_pre_skip(write_opus(tmp_path / "x.opus", 3.5, kbps=68, onset_s=1.7), pre_skip)
    folder, track, _ = make(source)
    assert bitrates(track) == [24, 48, 68]
    assert track.duration_samples == 168_000 + 312 - pre_skip
    heads = {parse_opus_head_untrusted(packets(r.header)[0].data).pre_skip for r in track.renditions}
    assert heads == {pre_skip}
    expected = round(1.7 * 48000) + 312 - pre_skip
    for number in range(3):
        assert len(decoded(folder / f"{number}.opus")) == track.duration_samples
        assert onset(folder / f"{number}.opus") == pytest.approx(expected, abs=100)


def test_a_pre_skip_shorter_than_the_encoders_is_encoded(tmp_path, make):
    _, track, _ = make(with_pre_skip(write_opus(tmp_path / "x.opus", 2.5, kbps=68), 100))
    assert bitrates(track) == [24, 48, 68]
    assert {parse_opus_head_untrusted(packets(r.header)[0].data).pre_skip for r in track.renditions} == {312}


def test_a_truncated_opus_file_is_imported_as_far_as_it_is_whole(tmp_path, make):
    source = write_opus(tmp_path / "x.opus", 6.0, kbps=64)
    source.write_bytes(source.read_bytes()[:-10_000])
    folder, track, damage = make(source)
    assert "cut short" in damage
    assert 48_000 < track.duration_samples < 6 * 48_000
    for number in range(2):
        assert len(decoded(folder / f"{number}.opus")) == track.duration_samples


def test_a_truncated_opus_file_of_a_high_bitrate(tmp_path, make):
    source = write_opus(tmp_path / "x.opus", 6.0, kbps=256)
    source.write_bytes(source.read_bytes()[:-40_000])
    _, track, damage = make(source)
    assert damage
    assert 48_000 < track.duration_samples < 6 * 48_000


def test_an_opus_source_that_is_mostly_silent_claims_what_its_loud_seconds_need(tmp_path, make):
    """Its mean stands for none of its seconds; what it is offered as, any client takes."""
    loud = packets(write_opus(tmp_path / "loud.opus", 2.0, kbps=256).read_bytes())[2:]
    silence = bytes((loud[0].data[0], 0xFF, 0xFE))
    source = tmp_path / "x.opus"
    with Muxer(7) as muxer:
        muxer.add(build_opus_head(OpusHead(1, 312)), 0)
        pages = muxer.flush()
        muxer.add(build_opus_tags("x", {}), 0)
        pages += muxer.flush()
        audio = [silence] * 70 * 50 + [packet.data for packet in loud]
        for number, packet in enumerate(audio, 1):
            muxer.add(packet, number * 960, eos=number == len(audio))
        source.write_bytes(pages + muxer.flush())
    folder, track, _ = make(source)
    top = len(track.renditions) - 1
    assert packets((folder / f"{top}.opus").read_bytes())[-1].data == loud[-1].data, (
        "its own packets are kept"
    )
    assert bitrates(track) == sorted(bitrates(track))
    for number in range(len(track.renditions)):
        assert (
            len(list(segments(folder, track, number))) == track.segment_count
        )  # by the tables that it checks


@pytest.mark.parametrize("seconds", [1.0, 1.1, 2.5])
@pytest.mark.parametrize("sound", SOUNDS.values(), ids=SOUNDS)
def test_no_honest_rendition_breaks_its_claim(tmp_path, make, sound, seconds):
    """At every bitrate that a ladder may have: the claim is the ladder's, and the tables keep to it."""
    samples = array("h", islice(sound(Random(1)), round(seconds * 48000) + 20))
    with wave.open(str(tmp_path / "x.wav"), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    for ladder in ((6, 8, 12, 16, 24, 32, 48, 64), (96, 128, 192, 256)):
        folder, track, _ = make(tmp_path / "x.wav", recipe=Recipe(ladder, complexity=0))
        assert bitrates(track) == list(ladder)
        for number in range(len(ladder)):
            assert list(segments(folder, track, number))


@pytest.mark.parametrize("write", [write_wav, write_opus])
def test_less_than_a_second(tmp_path, make, write):
    with pytest.raises(UnreadableError, match="less than a second"):
        make(write(tmp_path / "x", 0.9))


def test_gain_is_measured_or_else_the_tags(tmp_path, make):
    source = write_wav(tmp_path / "x.wav", 2.5)
    measured = make(source)[1].gain_q8_db / 256
    assert measured == pytest.approx(-18 + 3.01 + 8.03 + 0.7, abs=1)  # a sine at -8 dBFS
    assert make(source, tags=Tags("T", gain_q8_db=-77))[1].gain_q8_db == -77


def test_it_can_be_stopped_at_any_second(tmp_path, make):
    for source in (write_wav(tmp_path / "x.wav", 3.0), write_opus(tmp_path / "x.opus", 3.0)):
        for after in range(3):
            asked = iter([*[False] * after, True])
            with pytest.raises(StoppedError):
                make(source, should_stop=lambda asked=asked: next(asked))


def test_the_tone_is_still_there(tmp_path, make):
    folder, _, _ = make(write_wav(tmp_path / "x.wav", 2.0, rate=48000))
    before = tone(96_000, 48_000)
    after = decoded(folder / "2.opus")
    error = sum((a - b / 32768) ** 2 for a, b in zip(after, before, strict=True))
    power = sum((b / 32768) ** 2 for b in before)
    assert error < power / 100


def test_old_tags_behind_opus_are_no_damage(tmp_path, make):
    source = write_opus(tmp_path / "x.opus")
    source.write_bytes(source.read_bytes() + b"TAG" + b"Title".ljust(125, b"\0"))
    _, track, damage = make(source)
    assert (track.duration_samples, damage) == (120_000, "")


def first_granule(path, granule):
    """Rewrite the first granule position of sound, and the checksum of its page."""
    data = bytearray(path.read_bytes())
    at = data.index(b"OggS", data.index(b"OggS", 4) + 4)
    end = data.index(b"OggS", at + 4)
    data[at + 6 : at + 14] = granule.to_bytes(8, "little")
    data[at + 22 : at + 26] = bytes(4)
    data[at + 22 : at + 26] = ogg_checksum(data[at:end]).to_bytes(4, "little")
    path.write_bytes(data)
    return path


def test_opus_that_begins_within_its_first_page_is_kept(tmp_path, make):
    """RFC 7845, 4.3, lets a stream be cut there; libopusfile refuses it."""
    source = first_granule(write_opus(tmp_path / "x.opus"), 960)
    assert opus_links(source) == 0
    _, track, damage = make(source)
    assert (bitrates(track)[-1] > 48, damage) == (True, "")
    assert track.duration_samples == pytest.approx(120_000, abs=960)


def test_opus_that_can_neither_be_cut_nor_decoded_is_refused_for_the_first_reason(
    tmp_path, make, monkeypatch
):
    monkeypatch.setattr(decoders.shutil, "which", lambda _name: None)
    source = tmp_path / "x.opus"
    source.write_bytes(write_opus(tmp_path / "y.opus").read_bytes()[:47])
    with pytest.raises(UnreadableError, match="ends before its first sound"):
        make(source)


def test_the_place_on_an_album_is_in_the_manifest_and_in_the_files_own_tags(tmp_path):
    place = AlbumPlace(track=7, disc=2, tracks=12, album_artist="Several", year=1999)
    folder = tmp_path / "track"
    folder.mkdir()
    tags = Tags("Song", "Somebody", "Album", place=place)
    make_track(write_wav(tmp_path / "x.wav", 2.0), tags, Recipe((24,)), folder)
    assert read_track(folder).place == place
    assert read_tags(folder / "0.opus") == tags


def test_an_album_artist_who_is_the_artist_goes_without_saying(tmp_path):
    place = AlbumPlace(album_artist="Somebody")
    folder = tmp_path / "track"
    folder.mkdir()
    tags = Tags("Song", "Somebody", "Album", place=place)
    make_track(write_wav(tmp_path / "x.wav", 2.0), tags, Recipe((24,)), folder)
    assert read_tags(folder / "0.opus").place == AlbumPlace()


def test_a_part_of_a_file_is_a_track_of_its_sound_alone(tmp_path, make):
    source = write_wav(tmp_path / "x.wav", 5.0, rate=48000, onset_s=2.0)
    cue = write_cue(tmp_path / "x.cue", "x.wav", "00:00:00", "00:01:15", "00:03:15")
    folder, track, damage = make(source / "02")
    assert (track.duration_samples, damage, bitrates(track)) == (96_000, "", [24, 48, 96])
    assert onset(folder / "2.opus") == pytest.approx(0.8 * 48_000, abs=100)
    assert make(source / "03")[1].duration_samples == 1.8 * 48_000
    with pytest.raises(UnreadableError, match="the next scan"):
        make(source / "04")
    cue.unlink()
    with pytest.raises(UnreadableError, match="the next scan"):
        make(source / "02")


def test_a_part_can_be_stopped_before_it_begins(tmp_path, make):
    source = write_wav(tmp_path / "x.wav", 5.0)
    write_cue(tmp_path / "x.cue", "x.wav", "00:00:00", "00:03:00")
    asked = []

    def should_stop():
        asked.append(1)
        return True

    with pytest.raises(StoppedError):
        make(source / "02", should_stop=should_stop)
    assert len(asked) == 1


def test_a_part_of_an_opus_file_is_encoded(tmp_path, make):
    source = write_opus(tmp_path / "x.opus", 4.0, kbps=48)
    write_cue(tmp_path / "x.cue", "x.opus", "00:00:00", "00:02:00")
    _, track, _ = make(source / "02")
    assert (track.duration_samples, bitrates(track)) == (96_000, [24, 48, 96])
