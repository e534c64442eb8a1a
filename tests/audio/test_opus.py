import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.audio import opus
from lightpeer.audio.opus import OpusHead, packet_samples
from lightpeer.errors import BadMessageError, StateMisuseError
from tests.audio.material import SECOND, opus_file, packets_of

HEAD = opus.build_opus_head(OpusHead(2, 312))


def test_an_opus_header_survives_the_trip():
    head = OpusHead(1, 3840, 44100, -256)
    assert opus.parse_opus_head_untrusted(opus.build_opus_head(head)) == head
    surround = b"OpusHead\x01\x06\x38\x01\x80\xbb\0\0\0\0\x01\x04\x02\0\x04\x01\x02\x03\x05"
    assert opus.parse_opus_head_untrusted(surround) == OpusHead(6, 312, 48000, 0, 1)
    with pytest.raises(StateMisuseError):
        opus.build_opus_head(OpusHead(6, 312, mapping_family=1))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD[:18],
        b"OpusTail" + HEAD[8:],
        HEAD[:8] + b"\x10" + HEAD[9:],
        HEAD[:9] + b"\x00" + HEAD[10:],
        HEAD[:9] + b"\x03" + HEAD[10:],
        HEAD[:9] + b"\x06" + HEAD[10:18] + b"\x01\x04\x02\0",
    ],
)
def test_a_bad_opus_header_is_refused(data):
    with pytest.raises(BadMessageError):
        opus.parse_opus_head_untrusted(data)


def test_comments_are_laid_down_as_rfc_7845_has_them():
    tags = {"TITLE": ["Ä"], "ARTIST": ["one", "two"]}
    expected = b"OpusTags\2\0\0\0me\3\0\0\0" + b"\x08\0\0\0TITLE=\xc3\x84"
    assert opus.build_opus_tags("me", tags) == expected + b"\x0a\0\0\0ARTIST=one" + b"\x0a\0\0\0ARTIST=two"


@given(st.binary(max_size=200))
def test_the_parser_raises_one_error_whatever_the_bytes(data):
    for candidate in (data, b"OpusHead" + data):
        with contextlib.suppress(BadMessageError):
            opus.parse_opus_head_untrusted(candidate)


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (b"", 0),
        (bytes([0 << 3]), 480),  # SILK, 10 ms
        (bytes([3 << 3]), 2880),  # SILK, 60 ms
        (bytes([13 << 3]), 960),  # hybrid, 20 ms
        (bytes([16 << 3]), 120),  # CELT, 2.5 ms
        (bytes([31 << 3 | 1]), 1920),
        (bytes([31 << 3 | 2]), 1920),
        (bytes([31 << 3 | 3]), 0),
        (bytes([31 << 3 | 3, 0]), 0),
        (bytes([31 << 3 | 3, 6]), 5760),
        (bytes([31 << 3 | 3, 7]), 0),  # longer than 120 ms
        (bytes([16 << 3 | 3, 0xC0 | 48]), 5760),
    ],
)
def test_the_first_bytes_tell_the_duration(packet, samples):
    assert packet_samples(packet) == samples


def test_durations_add_up():
    _, _, *audio = packets_of(opus_file(1.0))
    total = sum(packet_samples(packet.data) for packet in audio)
    assert SECOND + 312 <= total < SECOND + 312 + 960
