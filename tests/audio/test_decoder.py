import random
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightpeer.audio import _native, decoder
from lightpeer.audio.decoder import Decoder
from lightpeer.audio.ogg import Muxer
from lightpeer.audio.opus import OpusHead, build_opus_head
from lightpeer.errors import BadMessageError, MissingLibraryError
from tests.audio.material import SECOND, opus_file, packets_of, reference_pcm, segmented

FRAME_BYTES = 4  # stereo


def decoded(parts, **options):
    with Decoder(**options) as made:
        return b"".join(map(made.feed, parts))


def pieces(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


def muxed(head, *packets):
    with Muxer(1) as muxer:
        pages = []
        for number, packet in enumerate((build_opus_head(head), b"OpusTags", *packets)):
            muxer.add(packet, number * 960)
            pages.append(muxer.flush())
        return pages


@pytest.mark.parametrize("gain", [0.5, 1.0])
@pytest.mark.parametrize("size", [100, 6000])
def test_pcm_is_libopusfiles_sample_for_sample(gain, size):
    data = opus_file(3.0, gain)
    assert decoded(pieces(data, size)) == reference_pcm(data)


@pytest.mark.parametrize("gain", [2.0, 8.0])
def test_so_it_is_where_everything_clips_from_the_first_sample_on(gain):
    data = opus_file(3.0, gain)
    pcm = decoded([data])
    # The last peak is cut through by the end, and clipped by libopusfile as if it ended there.
    assert pcm[: -20 * FRAME_BYTES] == reference_pcm(data)[: -20 * FRAME_BYTES]
    assert len(pcm) == 3 * SECOND * FRAME_BYTES


def test_pcm_of_segments_is_that_of_the_file():
    header, segments = segmented(opus_file(3.0))
    assert decoded([header, *segments]) == reference_pcm(header + b"".join(segments))


def test_start_and_end_are_cut_to_the_sample():
    data = opus_file(2.345)
    assert len(decoded([data])) == int(2.345 * SECOND) * FRAME_BYTES


@pytest.mark.parametrize("size", [1, 1000, 4800])
def test_pieces_are_what_feed_gives(size):
    header, segments = segmented(opus_file(2.345))
    with Decoder() as made:
        made.feed(header)
        given = [list(made.pieces(segment, size)) for segment in segments]
    assert b"".join(map(b"".join, given)) == decoded([header, *segments])
    for second in given:
        lengths = [len(piece) // FRAME_BYTES for piece in second]
        assert all(size <= length < size + 960 for length in lengths[:-1])
        assert 0 < lengths[-1] < size + 960


def test_a_piece_is_decoded_when_it_is_asked_for():
    header, segments = segmented(opus_file(3.0))
    with Decoder(gain_q8_db=-32768) as made:
        made.feed(header)
        pieces = made.pieces(segments[0], 4800)
        assert not any(next(pieces))
        assert made.position_samples == 4800 + 960 - 312  # the first packet is cut, so one more is needed
        made.set_gain(0)
        assert any(next(pieces))


def test_a_reset_leaves_the_pieces_that_were_not_asked_for():
    header, segments = segmented(opus_file(3.0))
    with Decoder() as made:
        made.feed(header)
        next(made.pieces(segments[2], 960))
        made.reset()
        assert b"".join(map(made.feed, segments)) == decoded([header, *segments])


def test_an_end_several_packets_before_the_last_is_kept_to_in_every_piece():
    audio = [packet.data for packet in packets_of(opus_file(1.0))[2:10]]
    with Muxer(1) as muxer, Decoder() as made:
        muxer.add(build_opus_head(OpusHead(2, 312)), 0)
        muxer.add(b"OpusTags", 0)
        made.feed(muxer.flush())
        for number, packet in enumerate(audio, 1):
            last = number == len(audio)
            muxer.add(packet, 2400 if last else number * 960, eos=last)
        pcm = b"".join(made.pieces(muxer.flush(), 1))
        assert made.position_samples == len(pcm) // FRAME_BYTES == 2400 - 312


def test_channels_and_position_are_told():
    header, segments = segmented(opus_file(3.0))
    with Decoder() as made:
        assert (made.channels, made.position_samples) == (0, 0)
        assert made.feed(header) == b""
        assert (made.channels, made.position_samples) == (2, 0)
        first = made.feed(segments[0])
        assert made.position_samples == len(first) // FRAME_BYTES == SECOND - 312
        made.feed(segments[1])
        assert made.position_samples == 2 * SECOND - 312
        assert made.finish() == b""


def test_mono_comes_out_as_mono_or_as_asked():
    tone = bytes([31 << 3]) + random.Random(1).randbytes(60)
    pages = muxed(OpusHead(1, 0), tone, tone)
    mono, stereo = decoded(pages), decoded(pages, channels=2)
    assert len(mono) == 2 * 960 * 2
    assert array("h", stereo)[0::2] == array("h", stereo)[1::2] == array("h", mono)


def test_a_seek_goes_to_the_sample_and_converges():
    header, segments = segmented(opus_file(3.0))
    whole = decoded([header, *segments])
    target = 2 * SECOND + 1234
    with Decoder() as made:
        made.feed(header + segments[0])
        made.reset(1 * SECOND)
        made.discard_until(target)
        assert made.position_samples == target
        rest = b"".join(map(made.feed, segments[1:]))
    assert len(rest) == len(whole) - target * FRAME_BYTES
    there = array("h", whole[target * FRAME_BYTES :])
    assert max(abs(a - b) for a, b in zip(array("h", rest), there, strict=True)) < 64


def test_a_seek_to_the_start_gives_the_track_again():
    header, segments = segmented(opus_file(3.0))
    with Decoder() as made:
        made.feed(header + b"".join(segments))
        made.reset()
        assert b"".join(map(made.feed, segments)) == reference_pcm(header + b"".join(segments))


def test_another_rendition_may_follow_without_a_gap():
    header, low = segmented(opus_file(3.0), serial=1)
    other_header, high = segmented(opus_file(3.0, seed=2), serial=99)
    spliced = decoded([header, low[0], high[1], other_header, low[2], low[3]])
    assert len(spliced) == len(reference_pcm(opus_file(3.0)))


def test_a_corrupt_packet_is_concealed():
    audio = packets_of(opus_file(1.0))[2:]
    spoilt = [b"", b"\xff", bytes([31 << 3 | 3, 0])]  # no packets at all
    packets = [packet.data for packet in audio[:20]] + spoilt + [packet.data for packet in audio[23:40]]
    pages = muxed(OpusHead(2, 312), *packets)
    with Decoder() as made:
        pcm = b"".join(map(made.feed, pages))
        assert made.concealed == 3
    assert len(pcm) == (40 * 960 - 312) * FRAME_BYTES


def test_a_corrupt_first_packet_is_concealed_too():
    audio = packets_of(opus_file(1.0))[2].data
    assert len(decoded(muxed(OpusHead(2, 0), b"\xff", audio))) == 2 * 960 * FRAME_BYTES


def test_gain_is_the_headers_and_the_listeners():
    packets = [packet.data for packet in packets_of(opus_file(1.0))[2:]]

    def loudest(header_q8, own_q8):
        pages = muxed(OpusHead(2, 0, gain_q8=header_q8), *packets)
        return max(map(abs, array("h", decoded(pages, gain_q8_db=own_q8))))

    plain = loudest(0, 0)
    assert loudest(-1541, 0) == pytest.approx(plain / 2, rel=0.01)  # -6.02 dB
    assert loudest(0, -1541) == pytest.approx(plain / 2, rel=0.01)
    assert loudest(1541, -1541) == plain
    assert loudest(-32768, -32768) == 0  # the sum is clamped


def test_a_header_cannot_ask_for_more_gain_than_music_needs():
    """What is clipped at 127 dB took libopus 15 times as long."""
    packets = [packet.data for packet in packets_of(opus_file(1.0))[2:]]
    loud, louder, loudest = (
        decoded(muxed(OpusHead(2, 0, gain_q8=db * 256), *packets)) for db in (39, 40, 127)
    )
    assert loud != louder == loudest
    assert decoded(muxed(OpusHead(2, 0, gain_q8=127 * 256), *packets), gain_q8_db=20 * 256) == louder


def test_gain_may_change_while_playing():
    header, segments = segmented(opus_file(3.0))
    with Decoder(gain_q8_db=-32768) as made:
        assert not any(made.feed(header + segments[0]))
        made.set_gain(0)
        assert any(made.feed(segments[1]))


def test_more_than_two_channels_are_refused():
    surround = b"OpusHead\x01\x06\x38\x01\x80\xbb\0\0\0\0\x01\x04\x02\0\x04\x01\x02\x03\x05"
    with Muxer(1) as muxer, Decoder() as made:
        muxer.add(surround, 0)
        with pytest.raises(BadMessageError, match="more than two"):
            made.feed(muxer.flush())


def test_channels_that_change_are_refused():
    with Decoder() as made:
        made.feed(muxed(OpusHead(2, 0))[0])
        with pytest.raises(BadMessageError, match="another number"):
            made.feed(muxed(OpusHead(1, 0))[0])


def test_few_bytes_cannot_stand_for_hours():
    silence = bytes([31 << 3 | 3, 6])  # 120 ms in two bytes
    with Decoder() as made, Muxer(1) as muxer:
        muxer.add(build_opus_head(OpusHead(2, 0)), 0)
        muxer.add(b"OpusTags", 0)
        for number in range(1000):
            muxer.add(silence, number)
        with pytest.raises(BadMessageError, match="far more"):
            made.feed(muxer.flush())


def test_what_follows_no_header_gives_nothing():
    _, segments = segmented(opus_file(3.0))
    assert decoded(segments) == b""


def test_a_file_cut_in_the_middle_of_a_page_gives_what_is_whole():
    header, segments = segmented(opus_file(3.0))
    data = (header + b"".join(segments))[: -len(segments[3]) - 10]
    assert len(decoded([data])) == (2 * SECOND - 312) * FRAME_BYTES


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_packets_of_any_bytes_are_borne(seed):
    rng = random.Random(seed)
    packets = [rng.randbytes(rng.randrange(1, 200)) for _ in range(8)]
    head = OpusHead(rng.choice((1, 2)), rng.randrange(2000), gain_q8=rng.randrange(-32768, 32768))
    pcm = decoded(muxed(head, *packets))
    assert len(pcm) % (2 * head.channels) == 0


@pytest.mark.parametrize("library", ["ogg", "opus"])
def test_a_missing_library_is_told(monkeypatch, library):
    real = _native.load_library
    monkeypatch.setattr(_native, "load_library", lambda name: None if name == library else real(name))
    with pytest.raises(MissingLibraryError, match=f"lib{library} is not installed"):
        Decoder()


def test_libopusfile_is_not_needed(monkeypatch):
    real = _native.load_library
    data = opus_file(1.0)
    monkeypatch.setattr(_native, "load_library", lambda name: real(name) if name in ("ogg", "opus") else None)
    assert decoder.Decoder().feed(data)
