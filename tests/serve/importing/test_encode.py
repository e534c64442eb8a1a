from __future__ import annotations

import pytest

from lightpeer.audio.opus import packet_samples
from lightpeer.errors import UnreadableError
from lightpeer.serve.importing.encode import OpusEncoder
from lightpeer.serve.importing.pcm import Pcm
from tests.serve.media import tone


def encode(rate=48000, channels=1, seconds=1.5, kbps=24, *, is_float=False):
    pcm = Pcm(rate, channels, iter(()), is_float)
    block = tone(rate, rate, channels).tobytes() if not is_float else bytes(rate * channels * 4)
    with OpusEncoder(pcm, kbps * 1000, complexity=0) as encoder:
        found = list(encoder.write(block))
        found += encoder.write(block[: round((seconds - 1) * rate) * pcm.frame_bytes])
        found += encoder.finish()
    return encoder, found


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_resamples_and_counts(rate, channels):
    encoder, found = encode(rate, channels)
    assert encoder.total_samples - encoder.pre_skip == 72_000
    assert sum(map(packet_samples, found)) - encoder.total_samples in range(960)
    assert not any(packet.startswith(b"Opus") for packet in found)


def test_floats():
    encoder, _ = encode(is_float=True)
    assert encoder.total_samples == 72_000 + encoder.pre_skip


def test_all_bitrates_have_the_same_timeline():
    made = [encode(44100, 2, kbps=kbps) for kbps in (12, 48, 128)]
    assert len({(encoder.pre_skip, encoder.total_samples, len(found)) for encoder, found in made}) == 1
    sizes = [sum(map(len, found)) for _, found in made]
    assert sizes == sorted(sizes)
    assert sizes[0] * 3 < sizes[2]


def test_the_same_sound_gives_the_same_bytes():
    assert encode()[1] == encode()[1]


def test_a_format_that_opus_cannot_take():
    with pytest.raises(UnreadableError, match="cannot encode 0 Hz"):
        encode(rate=0)
