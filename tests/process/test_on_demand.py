"""Real servers that encode what is asked for alone, and a real client that waits for it."""

from __future__ import annotations

from pathlib import Path

from tests.process.conftest import Client
from tests.process.harness import Server
from tests.serve.media import write_wav


def albums(folder: Path) -> Path:
    """Music of which no two files are alike."""
    folder.mkdir()
    for number, name in enumerate(("Copper Rain", "Tin Sun", "Iron Snow")):
        write_wav(folder / f"Metals - {name}.wav", 2.0 + number / 10)
    return folder


def encoded(server: Server) -> list[str]:
    """The renditions that a server has, of all tracks."""
    return sorted(path.name for path in (server.state / "tracks").glob("*/*.opus"))


def test_what_is_searched_for_is_encoded_and_played_and_nothing_else(tmp_path) -> None:
    with Server(tmp_path / "server", albums(tmp_path / "music"), more=["--on-demand"]) as server:
        assert (server.tracks, encoded(server)) == (0, [])
        client = Client(tmp_path / "client", server)
        played = client.run("play", "tin", "sun", "--output", "null", "--json")
        assert played.status == 0
        assert played.event("playing")["title"] == "Tin Sun"
        assert encoded(server) == ["0.opus", "1.opus"]
        found = client.run("search", "metals", "--json")
        assert found.event("hit")["title"] == "Tin Sun"
        assert found.event("preparing") == {"event": "preparing", "tracks": 2}
        fetched = client.run("fetch", "iron", "snow", "-o", "snow.opus")
        assert fetched.status == 0
        assert (client.folder / "snow.opus").stat().st_size > 5000
        nothing = client.run("search", "zinc")
        assert (nothing.status, nothing.sentence) == (
            4,
            "nothing found for 'zinc': try fewer or other words",
        )


def test_what_was_dropped_is_played_at_once_and_comes_back_byte_for_byte(tmp_path) -> None:
    music = albums(tmp_path / "music")
    with Server(tmp_path / "server", music) as server:
        client = Client(tmp_path / "client", server)
        uri = client.find("copper")["uri"]
        assert client.run("fetch", uri, "-o", "before.opus", "--bitrate", "48").status == 0
    before = (client.folder / "before.opus").read_bytes()
    dropped = list((server.state / "tracks").glob("*/1.opus"))
    assert len(dropped) == 3
    for path in dropped:
        path.unlink()  # as a server does that is short of room, or one that crashes while it does
    with Server(tmp_path / "server", music, more=["--cache-size", "1M"]) as server:
        assert encoded(server) == ["0.opus"] * 3, "nothing is imported again"
        client = Client(tmp_path / "another", server)
        played = client.run("play", "copper", "--output", "null", "--json", "--bitrate", "24")
        assert (played.status, played.event("playing")["bitrate_kbps"]) == (0, 24)
        assert client.run("fetch", uri, "-o", "after.opus", "--bitrate", "48").status == 0
        assert (client.folder / "after.opus").read_bytes() == before
        assert encoded(server) == ["0.opus"] * 3 + ["1.opus"]
        assert server.err == "", "it is no damage"
