import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightpeer.audio import ogg
from lightpeer.audio.ogg import Demuxer, Muxer
from lightpeer.audio.opus import OpusHead, build_opus_head
from lightpeer.errors import BadMessageError, StateMisuseError
from tests.audio.material import opus_file, segmented

HEAD = build_opus_head(OpusHead(2, 312))


def stream(serial, first, *packets):
    """One stream whose packets are on pages of their own."""
    with Muxer(serial) as muxer:
        pages = []
        for number, data in enumerate((first, *packets)):
            muxer.add(data, number * 960, eos=number == len(packets))
            pages.append(muxer.flush())
        return pages


def fed(data, size, **options):
    with Demuxer(**options) as demuxer:
        found = []
        for at in range(0, len(data), size):
            demuxer.feed(data[at : at + size])
            found += demuxer.packets()
        return found, demuxer.holes


def test_what_is_muxed_is_demuxed():
    pages = stream(-5, HEAD, b"tags", b"one", b"", b"x" * 1000, b"end")
    found, holes = fed(b"".join(pages), 1 << 16)
    assert [packet.data for packet in found] == [HEAD, b"tags", b"one", b"", b"x" * 1000, b"end"]
    assert [packet.granule for packet in found] == [0, 960, 1920, 2880, 3840, 4800]
    assert [packet.bos for packet in found] == [True] + [False] * 5
    assert [packet.eos for packet in found] == [False] * 5 + [True]
    assert holes == 0


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_bytes_may_come_in_any_pieces(size):
    data = opus_file(1.0)
    assert fed(data, size) == fed(data, len(data))


def test_a_second_of_packets_is_one_page_and_the_last_has_its_granule():
    _, segments = segmented(opus_file(3.0))
    assert len(segments) == 4  # the pre-skip reaches into a fourth second
    assert all(segment.count(b"OggS") == 1 for segment in segments)


def test_other_streams_are_skipped_and_the_first_opus_one_is_taken():
    skeleton = stream(1, b"fishead\0", b"skipped")
    first = stream(2, HEAD, b"wanted")
    second = stream(3, HEAD, b"too late")
    data = b"".join([skeleton[0], first[0], second[0], skeleton[1], second[1], first[1]])
    assert [packet.data for packet in fed(data, 50)[0]] == [HEAD, b"wanted"]


def test_vorbis_is_found_too():
    assert fed(stream(1, b"\x01vorbis..")[0], 99)[0][0].data == b"\x01vorbis.."


def test_a_stream_without_a_beginning_is_no_stream():
    assert fed(b"".join(stream(1, HEAD, b"one", b"two")[1:]), 99)[0] == []


def test_it_finds_its_way_after_garbage_and_counts_the_hole():
    pages = stream(1, HEAD, b"one", b"two", b"three")
    data = pages[0] + b"garbage" + pages[1] + b"OggS" + bytes(100) + pages[2] + pages[3]
    found, holes = fed(data, 64)
    assert [packet.data for packet in found] == [HEAD, b"one", b"two", b"three"]
    assert holes > 0


def test_a_changed_page_is_left_out():
    pages = stream(1, HEAD, b"one", b"two", b"three")
    pages[2] = pages[2][:-1] + b"?"
    found, holes = fed(b"".join(pages), 1000)
    assert [packet.data for packet in found] == [HEAD, b"one", b"three"]
    assert holes > 0


def test_a_spliced_stream_may_change_its_serial():
    one, two = stream(1, HEAD, b"a", b"b"), stream(2, HEAD, b"c", b"d")
    data = one[0] + one[1] + two[2]
    assert [packet.data for packet in fed(data, 999, any_serial=True)[0]] == [HEAD, b"a", b"d"]
    assert [packet.data for packet in fed(data, 999)[0]] == [HEAD, b"a"]


def test_a_packet_that_never_ends_is_refused():
    pages = stream(1, HEAD, bytes(300_000), b"after")
    with pytest.raises(BadMessageError, match="longer than 65536"):
        fed(b"".join(pages), 1 << 16)
    found, _ = fed(b"".join(pages), 1 << 16, max_packet_bytes=1 << 20)
    assert [len(packet.data) for packet in found] == [len(HEAD), 300_000, 5]


def test_feeding_without_taking_is_refused():
    with Demuxer() as demuxer:
        demuxer.feed(bytes(ogg.MAX_FED_BYTES))
        with pytest.raises(StateMisuseError):
            demuxer.feed(b"x")
        list(demuxer.packets())
        demuxer.feed(b"x")


def test_no_data_is_no_data():
    """Whatever libogg says of that: a publisher's header may be empty."""
    with Demuxer() as demuxer:
        demuxer.feed(b"")
        assert list(demuxer.packets()) == []
        demuxer.feed(opus_file(1.0))
        assert len(list(demuxer.packets())) > 2


def test_reset_forgets_half_a_page_and_goes_on_elsewhere():
    pages = stream(1, HEAD, b"one", b"two", b"three")
    with Demuxer() as demuxer:
        demuxer.reset()
        demuxer.feed(pages[0] + pages[1][:10])
        list(demuxer.packets())
        demuxer.reset()
        demuxer.feed(pages[3])
        assert [packet.data for packet in demuxer.packets()] == [b"three"]


def test_after_close_nothing_comes_and_nothing_breaks():
    demuxer = Demuxer()
    demuxer.feed(b"".join(stream(1, HEAD, b"one", b"two")))
    rest = demuxer.packets()
    next(rest)
    demuxer.close()
    demuxer.close()
    assert list(rest) == []
    assert list(demuxer.packets()) == []
    demuxer.reset()
    with pytest.raises(StateMisuseError):
        demuxer.feed(b"x")


def test_a_muxer_bounds_what_is_not_flushed_and_ends_with_close():
    muxer = Muxer(1)
    muxer.add(bytes(ogg.MAX_UNFLUSHED_BYTES), 0)
    with pytest.raises(StateMisuseError):
        muxer.add(b"x", 0)
    muxer.close()
    muxer.close()
    with pytest.raises(StateMisuseError):
        muxer.flush()
    with pytest.raises(StateMisuseError):
        muxer.add(b"x", 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_damage_of_any_kind_breaks_nothing(seed, changes):
    rng = random.Random(seed)
    data = bytearray(opus_file(0.3))
    for _ in range(changes):
        at = rng.randrange(len(data))
        match rng.randrange(3):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                del data[at : at + rng.randrange(100)]
            case _:
                data[at:at] = rng.randbytes(rng.randrange(100))
    found, _ = fed(bytes(data), 1000)
    assert sum(len(packet.data) for packet in found) <= len(data)
