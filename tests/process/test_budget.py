"""The data budget between processes: a cap slows and stops `play`, and what was used is never forgotten."""

from __future__ import annotations

import pytest

from tests.process.conftest import LONG, SHORT
from tests.process.harness import Process

SAVES_OFTEN = "from lightpeer.client import meter; meter.SAVE_AGAIN_S = 0.2"


@pytest.fixture
def capped(client):
    """A client with a cap of so many MB a day, whatever the network, to which each time costs the same."""

    def cap(day_mb):
        config = client.folder / "c.toml"
        config.write_text(f"cache_bytes = 0\n[profile.thrifty]\nday_mb = {day_mb}\n")
        client.common += ["--config", str(config), "--profile", "thrifty"]
        return client

    return cap


def used(client):
    return client.run("usage", "--json").event("usage")["today_bytes"]


def test_a_cap_slows_and_then_stops_with_one_sentence(capped, network):
    client = capped(0.8)  # five times 146 kB, and then 73 kB each
    played = client.run("play", *[network.uris[LONG]] * 9, "--output", "wav:x.wav", "--json")
    events = [event["event"] for event in played.events]
    assert events.index("playing") < events.index("slowed") < events.index("error")
    assert "in the profile thrifty are used; it renews in" in played.event("slowed")["message"]
    assert (played.status, played.event("error")["exit_status"]) == (7, 7)
    what, way_on = played.sentence.split(": ")
    assert what.startswith("the cap of 0.8 MB a day in the profile thrifty is reached; it renews in ")
    assert way_on == "to go on now, use --profile unmetered or raise day_mb in [profile.thrifty]"
    assert 800_000 <= used(client) < 950_000


def test_no_command_begins_once_it_is_reached_but_one_that_is_told_to(capped):
    client = capped(0.1)
    fetched = client.run("fetch", client.find(LONG)["uri"], "-o", "x.opus")
    assert fetched.status in {0, 7}  # it may all have come before the cap was seen
    before = used(client)
    for command in (["search", SHORT], ["play", SHORT, "--output", "null"], ["peers"]):
        refused = client.run(*command)
        assert (refused.status, refused.out) == (7, b"")
        assert "is reached" in refused.sentence
    assert used(client) == before
    client.common[-1] = "unmetered"
    assert client.run("search", SHORT).status == 0
    assert used(client) > before


def test_what_was_used_outlives_a_kill(client):
    arguments = ["play", LONG, "--output", "null", "--json", "--bitrate", 48, *client.common]
    with Process(*arguments, cwd=client.folder, before=SAVES_OFTEN) as playing:
        playing.event("playing")
        assert any(used(client) >= 20_000 for _ in range(100))
        playing.process.kill()
        playing.process.wait()
    assert used(client) >= 20_000
    days = client.run("usage").out.decode().splitlines()
    assert len(days) == 2


def test_two_at_once_both_count(client):
    options = ["--cache-size", 0, "--output", "wav:x.wav", "--bitrate", 48, "--stats"]
    with (
        Process("play", LONG, *options, "a.json", *client.common, cwd=client.folder / "a") as one,
        Process("play", LONG, *options, "b.json", *client.common, cwd=client.folder / "b") as other,
    ):
        assert (one.end().status, other.end().status) == (0, 0)
    assert 280_000 < used(client) < 400_000  # each fetches 137 kB
