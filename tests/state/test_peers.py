"""The file of the remembered peers: when it is written, and what happens where it cannot be."""

from __future__ import annotations

import logging
from pathlib import Path

import trio
import trio.testing

from lightpeer.core.overlay.peer_cache import PeerCache
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.records import build_record, parse_record_untrusted
from lightpeer.state import files
from lightpeer.state.peers import PEERS_FILE, RememberedPeers

NOW = 1_750_000_000


def meet(peers: RememberedPeers, n: int) -> None:
    who = Identity((1 + n).to_bytes(32, "big"))
    data = build_record(who, [(f"{20 + n}.0.0.1", 1)], 1, NOW, NOW + 3600)
    peers.cache.add(parse_record_untrusted(data, NOW), who.peer_id, NOW)
    peers.note_change()


def run(main) -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            await main(nursery)
            nursery.cancel_scope.cancel()

    trio.run(body, clock=trio.testing.MockClock(autojump_threshold=0))


def kept(path: Path) -> int:
    return len(PeerCache.from_bytes_untrusted((path / PEERS_FILE).read_bytes()))


async def at_once(function, *args) -> None:
    """A thread takes real time, which virtual time does not wait for."""
    function(*args)


def test_changes_are_written_together_once_a_minute_and_at_the_end(tmp_path, monkeypatch) -> None:
    writes = []
    write = files.write_atomically

    def counted(path: Path, data: bytes) -> None:
        writes.append(data)
        write(path, data)

    monkeypatch.setattr(files, "write_atomically", counted)
    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)

    async def main(nursery: trio.Nursery) -> None:
        peers = RememberedPeers(tmp_path, 64, nursery)
        peers.save()
        assert not writes, "nothing has changed"
        for n in range(10):
            meet(peers, n)
            await trio.sleep(5)
        assert not writes
        await trio.sleep(11)
        assert (len(writes), kept(tmp_path)) == (1, 10)
        await trio.sleep(3600)
        assert len(writes) == 1, "nothing is written for nothing"
        meet(peers, 10)
        peers.save()
        assert (len(writes), kept(tmp_path)) == (2, 11)
        await trio.sleep(61)
        assert len(writes) == 2
        assert len(RememberedPeers(tmp_path, 8, nursery).cache) == 8

    run(main)


def test_a_directory_that_cannot_be_written_is_told_once_and_costs_the_memory_alone(
    tmp_path, caplog, monkeypatch
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)
    (tmp_path / "file").touch()

    async def main(nursery: trio.Nursery) -> None:
        peers = RememberedPeers(tmp_path / "file", 64, nursery)
        meet(peers, 0)
        await trio.sleep(61)
        meet(peers, 1)
        peers.save()
        assert len(peers.cache) == 2
        assert caplog.text.count("cannot write") == 1

    run(main)


def test_what_is_written_late_is_not_older_than_what_was_saved(tmp_path, monkeypatch) -> None:
    async def late(function) -> None:
        peers.save()  # at the end, while the thread has yet to begin
        monkeypatch.setattr(files, "write_atomically", None)  # nothing more is to be written
        function()

    monkeypatch.setattr(trio.to_thread, "run_sync", late)

    async def main(nursery: trio.Nursery) -> None:
        nonlocal peers
        peers = RememberedPeers(tmp_path, 64, nursery)
        meet(peers, 0)
        await trio.sleep(61)
        assert kept(tmp_path) == 1

    peers: RememberedPeers
    run(main)


def test_a_corrupt_file_is_set_aside(tmp_path, caplog) -> None:
    (tmp_path / PEERS_FILE).write_bytes(b"junk")

    async def main(nursery: trio.Nursery) -> None:
        assert len(RememberedPeers(tmp_path, 64, nursery).cache) == 0
        assert "the peer cache was corrupt" in caplog.text
        assert (tmp_path / f"{PEERS_FILE}.corrupt").read_bytes() == b"junk"

    run(main)
