"""The cache by its commands: pinned on a network, heard without one."""

from __future__ import annotations

from tests.process.conftest import LONG, SHORT, Client, samples

NOBODY = ["--bootstrap", "127.0.0.1:1"]  # tcpmux: nobody answers


def test_what_is_pinned_is_shown_heard_let_go_and_cleared(client, network):
    uris = network.uris
    alone = Client(client.folder)
    pinned = client.run("pin", uris[SHORT], LONG, "--bitrate", 48, "--json").events
    assert [(event["event"], event["title"], event["kept_bytes"]) for event in pinned] == [
        ("pinned", SHORT, 0),
        ("pinned", LONG, 0),
    ]
    again = alone.run("pin", uris[LONG], "--bitrate", 48, "--cache-size", 50, *NOBODY)
    assert again.out.decode() == f"{LONG} is pinned; 0.1 MB of 50.0 MB are\n"
    played = alone.run("play", uris[LONG], "--output", "wav:x.wav", "--stats", "s", "--json", *NOBODY)
    assert (played.status, played.event("playing")["transport"]) == (0, "cache")
    assert samples(client.folder / "x.wav") == network.pcm(LONG)
    refused = client.run("pin", network.uris["Rare Beep"], "--cache-size", 0)
    assert (refused.status, refused.sentence) == (
        2,
        "nothing can be pinned while the cache is off: give a --cache-size",
    )
    assert alone.run("pin", "--remove", uris[SHORT], "-q").out == b""
    *kept, total = alone.run("cache", "--json").events
    assert {(event["title"], event["pinned"]) for event in kept} == {(SHORT, False), (LONG, True)}
    assert (total["event"], total["tracks"], total["bytes"]) == ("cache", 2, sum(e["bytes"] for e in kept))
    lines = alone.run("cache", "--cache-size", 0).out.decode().splitlines()
    assert sum("  pinned  Copper Rain" in line and "  0:22  " in line for line in lines) == 1
    assert lines[-1].startswith("2 tracks, 0.1 MB of 0.0 MB, 0.1 MB pinned")
    assert alone.run("cache", "--clear").out == b"2 tracks removed\n"
    assert alone.run("cache").out.decode().startswith("0 tracks, 0.0 MB of ")


def test_a_cache_size_is_a_number_of_megabytes(client):
    refused = client.run("play", "x", "--cache-size", "much")
    assert refused.status == 2
    assert "a whole number of megabytes, or 0, not 'much'" in refused.sentence
