import importlib.resources
import math
from array import array

import pytest

from lightpeer.audio.decoder import Decoder
from lightpeer.audio.ogg import Demuxer
from lightpeer.audio.opus import packet_samples
from lightpeer.cli.demo import compose, synth
from tests.audio.material import reference_pcm

FOLDER = importlib.resources.files("lightpeer.cli.demo") / "tracks"


@pytest.mark.parametrize("track", compose.TRACKS, ids=lambda track: track.title)
def test_a_track_is_short_tagged_stereo_and_at_its_bitrate(track):
    data = (FOLDER / track.file).read_bytes()
    with Demuxer() as demuxer:
        demuxer.feed(data)
        _head, tags, *audio = [packet.data for packet in demuxer.packets()]
    for comment in (f"TITLE={track.title}", "ARTIST=lightpeer", "ALBUM=Demo", "LICENSE=CC0-1.0"):
        assert len(comment).to_bytes(4, "little") + comment.encode() in tags
    seconds = sum(map(packet_samples, audio)) / 48000
    assert 20 < seconds < 26
    assert sum(map(len, audio)) * 8 / seconds == pytest.approx(48000, rel=0.05)


@pytest.mark.parametrize("track", compose.TRACKS, ids=lambda track: track.title)
def test_a_track_decodes_as_libopusfile_has_it_and_makes_sound_throughout(track):
    data = (FOLDER / track.file).read_bytes()
    with Decoder() as decoder:
        pcm = decoder.feed(data)
        assert decoder.concealed == 0
    assert pcm == reference_pcm(data)
    samples = array("h", pcm)
    seconds = [samples[at : at + 96000 : 50] for at in range(0, len(samples) - 96000, 96000)]
    assert all(math.hypot(*second) / math.sqrt(len(second)) > 100 for second in seconds)
    assert max(map(abs, samples)) < 32767


def test_all_tracks_together_are_small():
    assert sum(len((FOLDER / track.file).read_bytes()) for track in compose.TRACKS) < 450_000


def test_a_mix_becomes_an_opus_file():
    mix = synth.Mix(1.5)
    mix.place(synth.bell(880, 1.0), 0.1, pan=-1)
    mix.place(synth.kick(), 0.5)
    mix.place(synth.kick(), 1.4)  # what reaches beyond the end is cut
    mix.echo(0.2, feedback=0.3, gain=0.3)
    mix.reverb(feedback=0.7, gain=0.2)
    pcm = mix.pcm(peak=0.5)
    assert max(map(abs, pcm)) == pytest.approx(16384, abs=2)
    assert len(pcm) == 2 * 72000
    assert len(reference_pcm(compose.encode(pcm, {"TITLE": "Ä"}))) == 4 * 72000
