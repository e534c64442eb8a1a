"""The whole path between processes: what is found, heard and kept is what a peer serves."""

from __future__ import annotations

import json
from array import array

import pytest

from tests.audio.material import reference_pcm
from tests.process.conftest import LONG, LONG_S, RARE, RARE_S, SHORT, Client, samples
from tests.process.harness import CLIENT, Process, without_library

STATS = {
    *("time_to_first_audio_ms", "startup_ms", "rebuffers", "rebuffer_s", "played_s", "audio_bytes"),
    *("kept_bytes", "rx_bytes", "tx_bytes", "bitrate_mean_kbps", "bitrate_switches", "transport", "sources"),
    *("retransmitted_units", "duplicate_units", "wasted_bytes", "replaced_bytes", "queue_delay_p95_ms"),
    *("goodput_kbps", "cpu_s", "max_rss_kb"),
    *("radio_on_share_3g", "joules_per_h_3g", "radio_on_share_lte", "joules_per_h_lte"),
}


@pytest.mark.parametrize(("title", "kbps"), [(LONG, 48), (SHORT, 24)])
def test_sound_and_file_are_what_the_peer_holds(client, network, title, kbps):
    uri = network.uris[title]
    options = ["--bitrate", kbps, "--json"]
    fetched = client.run("fetch", uri, "-o", "x.opus", *options).event("fetched")
    data = (client.folder / "x.opus").read_bytes()
    assert data == network.rendition(title, kbps)
    assert fetched["path"] == "x.opus"
    assert (fetched["uri"], fetched["bytes"], fetched["bitrate_kbps"]) == (uri, len(data), kbps)
    played = client.run("play", uri, "--output", "wav:x.wav", *options)
    assert (played.status, played.err) == (0, "")
    assert samples(client.folder / "x.wav") == reference_pcm(data)
    assert sorted(path.name for path in client.folder.iterdir()) == ["state", "x.opus", "x.wav"]


def test_a_track_of_a_peer_of_a_peer_plays_by_words(client, network):
    played = client.run("play", RARE, "--output", "wav:x.wav", "--bitrate", 48, "--json")
    assert played.status == 0
    playing = played.event("playing")
    assert (playing["title"], playing["duration_s"]) == (RARE, RARE_S)
    assert samples(client.folder / "x.wav") == network.pcm(RARE)


def test_measurements_have_every_field_and_make_sense(client, network):
    options = ["--output", "wav:x.wav", "--bitrate", 48, "--stats", "s.json"]
    assert client.run("play", network.uris[LONG], *options).status == 0
    (line,) = (client.folder / "s.json").read_text().splitlines()
    stats = json.loads(line)
    assert set(stats) == STATS
    data = network.rendition(LONG)
    header = len(data) - stats["audio_bytes"]
    assert data[header:].startswith(b"OggS")
    assert b"OpusTags" in data[:header]
    assert stats["audio_bytes"] < stats["rx_bytes"] < 1.3 * stats["audio_bytes"]
    assert 500 < stats["tx_bytes"] < 0.1 * stats["audio_bytes"]
    assert (stats["played_s"], stats["transport"], stats["bitrate_mean_kbps"]) == (LONG_S, "udp", 48)
    assert (stats["rebuffers"], stats["rebuffer_s"], stats["bitrate_switches"]) == (0, 0, 0)
    assert 0 < stats["startup_ms"] < stats["time_to_first_audio_ms"]
    assert 1 <= stats["sources"] <= 2
    assert stats["goodput_kbps"] > 48
    assert 0 < stats["cpu_s"] < 10
    assert 10_000 < stats["max_rss_kb"] < 60_000
    # The file is written in moments, to which the energy of waking up is added: there is no upper bound.
    for kind, least_watts in (("3g", 0.30), ("lte", 1.06)):
        share = stats[f"radio_on_share_{kind}"]
        assert 0 < share <= 1
        assert stats[f"joules_per_h_{kind}"] > 0.99 * 3600 * least_watts * share, "what it takes to be awake"


def test_the_same_comes_by_grpc(client, network):
    options = ["--output", "wav:x.wav", "--bitrate", 48, "--transport", "grpc", "--stats", "s.json"]
    played = client.run("play", SHORT, *options)
    assert (played.status, played.err) == (0, "")
    assert json.loads((client.folder / "s.json").read_text())["transport"] == "grpc"
    assert f"playing {SHORT}, 0:01, 48 kbit/s by grpc" in played.out.decode()
    assert samples(client.folder / "x.wav") == network.pcm(SHORT)


def test_it_begins_where_it_is_told_to(client, network):
    played = client.run("play", LONG, "--output", "pipe", "--bitrate", 48, "--start", 20.5)
    whole = array("h", network.pcm(LONG))
    rest = whole[-len(whole) * round(10 * (LONG_S - 20.5)) // round(10 * LONG_S) :]
    heard = array("h", played.out)
    assert len(heard) == len(rest)
    # The decoder began a second before, and has come close to what it would have been by then.
    assert max(abs(a - b) for a, b in zip(heard, rest, strict=True)) < 300


def in_stereo(pcm: bytes) -> bytes:
    """Mono samples in two channels."""
    return array("h", [sample for sample in array("h", pcm) for _ in range(2)]).tobytes()


class TestSinks:
    def test_pipe_is_the_samples_alone(self, client, network):
        played = client.run("play", SHORT, "--output", "pipe", "--bitrate", 48)
        assert played.status == 0
        assert played.err.startswith(f"playing {SHORT}")
        assert played.out == in_stereo(network.pcm(SHORT))

    @pytest.mark.parametrize("closed", [[2], [0, 2]], ids=str)
    def test_where_stderr_is_closed_no_text_comes_among_the_samples(self, client, network, closed):
        before = f"import os; [os.close(n) for n in {closed}]; sys.stderr = None"
        played = client.run(
            *("play", network.uris[SHORT], "no such words", "--output", "pipe", "--bitrate", 48),
            before=f"import sys; {before}",
        )
        assert (played.status, played.err) == (4, ""), "one of them is missing"
        assert played.out == in_stereo(network.pcm(SHORT))

    def test_command_reads_a_wav_stream(self, client, network):
        sink = "command:sh -c 'cat > x.wav; echo no'"
        played = client.run("play", SHORT, "--output", sink, "--bitrate", 48)
        assert (played.status, played.err) == (0, "")
        assert b"no\n" not in played.out
        data = (client.folder / "x.wav").read_bytes()
        assert (data[:4], data[8:12], data[44:]) == (b"RIFF", b"WAVE", in_stereo(network.pcm(SHORT)))

    def test_a_command_that_fails_is_named(self, client):
        played = client.run("play", SHORT, "--output", "command:false")
        assert played.status == 6
        assert "'false' ended with status 1" in played.sentence

    def test_null_takes_as_long_as_hearing_would(self, client):
        with Process(
            "play", SHORT, "--output", "null", "--json", *client.common, cwd=client.folder
        ) as playing:
            playing.event("playing")
            result = playing.end()
        assert (result.status, result.err) == (0, "")

    def test_a_reader_that_goes_ends_the_pipe_in_one_sentence(self, client):
        with Process("play", LONG, "--output", "pipe", *client.common, cwd=client.folder) as playing:
            assert len(playing.process.stdout.read(1000)) == 1000
            playing.process.stdout.close()
            assert playing.process.wait(30) == 6
            assert playing.err.splitlines()[-1] == (
                "lightpeer: cannot write to standard output: the program after the pipe has ended"
            )


class TestWhatProgramsRead:
    def test_search(self, client, network):
        found = client.run("search", "CÖPPER", "--json")
        assert (found.status, found.err) == (0, "")
        hit = found.event("hit")
        assert list(hit) == [
            "event",
            "uri",
            "title",
            "artist",
            "album",
            "duration_s",
            "bitrates_kbps",
            "holders",
            "track_number",
            "disc_number",
            "disc_tracks",
            "album_artist",
            "year",
        ]
        assert (hit["title"], hit["artist"], hit["album"]) == (LONG, "lightpeer", "Demo")
        assert (hit["duration_s"], hit["bitrates_kbps"]) == (LONG_S, [24, 48])
        assert set(hit["holders"]) == {network.first.peer_id, network.second.peer_id}

    def test_peers(self, client, network):
        listed = client.run("peers", "--json")
        assert (listed.status, listed.err) == (0, "")
        events = {event["peer_id"]: event for event in listed.events}
        assert set(events) == set(network.peer_ids)
        event = events[network.first.peer_id]
        assert list(event) == ["event", "peer_id", "endpoints", "rtt_ms", "roles", "state"]
        assert event["endpoints"] == [network.first.rpc]
        assert (event["roles"], event["state"]) == (["serve"], "tried")
        assert 0 < event["rtt_ms"] < 5000
        remembered = Client(client.folder)  # the same state, and no bootstrap
        assert remembered.find(RARE)["holders"] == [network.third.peer_id]

    def test_id(self, client):
        first, again = (client.run("id", "--json") for _ in range(2))
        assert first == again
        assert first.event("id")["peer_id"] == client.run("id").out.decode().strip()
        assert first.event("id")["peer_id"].startswith("L")
        assert (client.state / "key").stat().st_mode & 0o777 == 0o600

    def test_doctor(self, client):
        seen = client.run("doctor", "--json", LIGHTPEER_OUTPUT="null")
        assert (seen.status, seen.err) == (0, "")
        checks = {event["name"]: event["verdict"] for event in seen.events if event["event"] == "check"}
        assert checks["peers"] == checks["libopus"] == checks["signatures"] == checks["sound"] == "ok"
        assert seen.event("diagnosis")["playable"] is True

    def test_doctor_names_what_is_missing(self, client):
        seen = client.run("doctor", "--json", "--bootstrap", "127.0.0.1:1", before=without_library("opus"))
        assert seen.status == 1
        failed = {e["name"]: e["message"] for e in seen.events if e.get("verdict") == "fail"}
        assert "install" in failed["libopus"]
        assert seen.event("diagnosis")["playable"] is False


def test_the_light_client_never_loads_the_server_nor_numpy(client):
    told = "\nimport json; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    played = client.run(
        "play", SHORT, "--output", "wav:x.wav", code=CLIENT.replace("sys.exit(main())", "main()") + told
    )
    modules = set(json.loads(played.err))
    assert modules > {"lightpeer.playback.player", "lightpeer.audio.decoder", "trio", "h2"}
    forbidden = (
        "lightpeer.serve",
        "numpy",
        "sqlite3",
        "asyncio",
        "lightpeer.cli.demo",
        "mutagen",
        "sounddevice",
    )
    assert [name for name in modules if name.startswith(forbidden)] == []
