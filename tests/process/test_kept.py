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
    fetched = alone.run("fetch", uris[LONG], "--bitrate", 48, *NOBODY)
    assert (fetched.status, fetched.err) == (0, "")
    assert (client.folder / f"lightpeer - {LONG}.opus").read_bytes() == network.rendition(LONG)
    assert alone.run("pin", "--remove", uris[SHORT], "-q").out == b""
    *kept, total = alone.run("cache", "--json").events
    assert {(event["title"], event["pinned"]) for event in kept} == {(SHORT, False), (LONG, True)}
    assert (total["event"], total["tracks"], total["bytes"]) == ("cache", 2, sum(e["bytes"] for e in kept))
    lines = alone.run("cache", "--cache-size", 0).out.decode().splitlines()
    assert sum(line.startswith(LONG) and "  0:22  0.1 MB  pinned  loud:" in line for line in lines) == 1
    assert lines[-1].startswith("2 tracks, 0.1 MB of 0.0 MB, 0.1 MB pinned")
    assert alone.run("cache", "--clear").out.decode() == (
        "1 track removed, 1 pinned left: --clear --pinned removes what is pinned, too\n"
    )
    assert [event["title"] for event in alone.run("cache", "--json").events[:-1]] == [LONG]
    assert alone.run("cache", "--clear", "--pinned").out == b"1 track removed\n"
    assert alone.run("cache").out.decode().startswith("0 tracks, 0.0 MB of ")


def test_a_cache_size_is_a_number_of_megabytes(client):
    refused = client.run("play", "x", "--cache-size", "much")
    assert refused.status == 2
    assert "a whole number of megabytes, or 0, not 'much'" in refused.sentence
