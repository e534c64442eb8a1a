"""Fetching: the file is the rendition's own bytes, or there is no file."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from lightpeer.client import part_file as partfile
from lightpeer.client.fetch import Fetched, FetchOptions, _refusal, fetch
from lightpeer.errors import (
    NoPeerError,
    NothingFoundError,
    StateError,
    StreamFailedError,
    UsageError,
)
from lightpeer.testing.faults import Faults
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.audio.material import reference_pcm
from tests.pair import MadeTrack, made_track
from tests.playback.music import Stage, demo_track, pcm_of, stage

NOISE = made_track(30, kbps=(24, 48, 96), title="Noise")
UNKNOWN = made_track(3, seed=2).track.uri


def whole(made: MadeTrack, rendition: int) -> bytes:
    return made.track.renditions[rendition].header + b"".join(made.segments[rendition])


def with_client(folder: Path, act: Callable[[Stage], Awaitable[None]], **more: object) -> None:
    async def main(net: SimInternet) -> None:
        async with stage(net, folder / "state", [NOISE, demo_track("copper-rain")], **more) as now:
            await act(now)
            assert now.phone.udp == {}

    simulate(main)


def test_what_a_source_delivered_counts_in_its_score(tmp_path):
    async def act(now: Stage) -> None:
        now.phone.down = Link(50_000, 0.05)
        await now.client.peers()
        (before,) = now.client.cache.entries()
        score = before.score(before.updated_s)
        await fetch(now.client, NOISE.track.uri, tmp_path / "x.opus")
        (entry,) = now.client.cache.entries()
        size = (tmp_path / "x.opus").stat().st_size
        assert 0.9 * size < entry.verified_bytes < 1.1 * size  # less what came inline, and tables
        assert 30_000 < entry.goodput_bytes_per_s < 55_000
        assert entry.score(entry.updated_s) > score

    with_client(tmp_path, act)


@pytest.mark.parametrize(("asked_kbps", "rendition"), [(None, 2), (96, 2), (95, 1), (48, 1), (1, 0)])
def test_the_file_is_the_renditions_bytes(tmp_path, asked_kbps, rendition):
    path = tmp_path / "x.opus"
    progress = []

    async def act(now: Stage) -> None:
        bad = Faults(loss=0.02, reorder=0.02, duplicate=0.02)
        now.phone.down = Link(200_000, 0.05, faults=bad)
        summary = await fetch(
            now.client,
            NOISE.track.uri,
            path,
            FetchOptions(asked_kbps, on_progress=lambda *done: progress.append(done)),
        )
        assert summary == Fetched(
            uri=NOISE.track.uri,
            path=path,
            size_bytes=len(whole(NOISE, rendition)),
            kept_bytes=0,
            title="Noise",
            bitrate_kbps=(24, 48, 96)[rendition],
            transport="udp",
            sources=1,
        )

    with_client(tmp_path, act)
    assert path.read_bytes() == whole(NOISE, rendition)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["x.opus"]
    done = [done for done, _ in progress]
    assert len(done) == 30
    assert done == sorted(done)
    assert done[-1] == path.stat().st_size
    assert {total for _, total in progress} == {(24, 48, 96)[rendition] * 125 * 30}


def test_the_file_plays(tmp_path):
    made, path = demo_track("copper-rain"), tmp_path / "x.opus"

    async def act(now: Stage) -> None:
        await fetch(now.client, made.track.uri, path)

    with_client(tmp_path, act, transport="grpc")
    assert reference_pcm(path.read_bytes()) == pcm_of(made)


def test_it_does_not_wait_for_the_ears(tmp_path):
    async def act(now: Stage) -> None:
        await fetch(now.client, NOISE.track.uri, tmp_path / "x.opus", FetchOptions(bitrate_kbps=24))
        assert trio.current_time() < 5

    with_client(tmp_path, act)


@pytest.mark.parametrize(
    ("uri", "kind"), [(UNKNOWN, NothingFoundError), ("loud:nonsense", UsageError), ("words", UsageError)]
)
def test_what_cannot_be_had_leaves_no_file(tmp_path, uri, kind):
    async def act(now: Stage) -> None:
        with pytest.raises(kind):
            await fetch(now.client, uri, tmp_path / "x.opus")

    with_client(tmp_path, act)
    assert not list(tmp_path.glob("x*"))


def test_no_peer(tmp_path):
    async def act(now: Stage) -> None:
        now.servers[0].kill()
        with pytest.raises(NoPeerError):
            await fetch(now.client, NOISE.track.uri, tmp_path / "x.opus")

    with_client(tmp_path, act)


def test_a_stream_that_dies_leaves_the_old_file_as_it_was_and_a_part_to_go_on_from(tmp_path):
    path = tmp_path / "x.opus"
    path.write_bytes(b"old")

    async def act(now: Stage) -> None:
        now.phone.down = Link(20_000, 0.05)

        def kill(done: int, _total: int | None) -> None:
            if done > 100_000:
                now.servers[0].kill()

        with pytest.raises(StreamFailedError) as caught:
            await fetch(now.client, NOISE.track.uri, path, FetchOptions(silence_s=30.0, on_progress=kill))
        assert str(caught.value) == (
            "nothing came for 30 s: try again later; "
            f"{path}.part is kept, and the same command goes on from it"
        )
        assert trio.current_time() < 60

    with_client(tmp_path, act)
    assert path.read_bytes() == b"old"
    part = (tmp_path / "x.opus.part").read_bytes()
    assert len(part) > 100_000
    assert whole(NOISE, 2).startswith(part)


def test_an_outage_is_waited_for(tmp_path):
    async def act(now: Stage) -> None:
        now.phone.down = Link(20_000, 0.05)
        net = now.phone.net
        net.call_at(5.0, lambda: net.partition(now.phone))
        net.call_at(95.0, net.heal)
        await fetch(now.client, NOISE.track.uri, tmp_path / "x.opus")
        assert 95 < trio.current_time() < 95 + 40

    with_client(tmp_path, act)


# Going on from what an earlier try left.


def fetched_again(tmp_path: Path, left: bytes, *, bitrate_kbps: int | None = None) -> tuple[bytes, int, int]:
    """Fetch where a part was left; return the file, and how many bytes were kept and how many came."""
    (tmp_path / "x.opus.part").write_bytes(left)
    told: list[int] = []

    async def act(now: Stage) -> None:
        done = await fetch(
            now.client, NOISE.track.uri, tmp_path / "x.opus", FetchOptions(bitrate_kbps=bitrate_kbps)
        )
        told.extend((done.kept_bytes, now.phone.counters.rx_bytes()))

    with_client(tmp_path, act)
    assert not (tmp_path / "x.opus.part").exists()
    return (tmp_path / "x.opus").read_bytes(), *told


def test_what_is_there_is_not_fetched_again(tmp_path):
    data = whole(NOISE, 2)
    got, kept, came = fetched_again(tmp_path, data[:200_000])
    assert got == data
    assert 180_000 < kept < 200_000
    assert came < 1.15 * (len(data) - kept)


@pytest.mark.parametrize("left", [0, 6, 7, 20_000], ids=["nothing", "a bit", "the header", "a bit more"])
def test_however_little_is_there(tmp_path, left):
    data = whole(NOISE, 2)
    assert fetched_again(tmp_path, data[:left])[0] == data


def test_all_of_it_may_be_there(tmp_path):
    data = whole(NOISE, 2)
    got, _, came = fetched_again(tmp_path, data)
    assert got == data
    assert came < 20_000


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:100_000] + bytes(30_000) + data[130_000:],
        lambda data: bytes(len(data)),
        lambda _: whole(NOISE, 1),
        lambda data: data + b"and more",
    ],
    ids=["torn", "zeros", "another rendition", "too long"],
)
def test_what_is_there_is_not_believed(tmp_path, spoil):
    data = whole(NOISE, 2)
    assert fetched_again(tmp_path, spoil(data))[0] == data


def test_only_what_is_torn_is_fetched_again(tmp_path):
    data = whole(NOISE, 2)
    _, kept, came = fetched_again(tmp_path, data[:100_000] + bytes(30_000) + data[130_000:])
    assert kept > len(data) - 60_000
    assert came < 80_000


@pytest.mark.parametrize("name", ["no such folder/x.opus", "folder"])
def test_a_file_that_cannot_be_written_is_told_of(tmp_path, name):
    (tmp_path / "folder").mkdir()

    async def act(now: Stage) -> None:
        with pytest.raises(StateError, match="name another place"):
            await fetch(now.client, NOISE.track.uri, tmp_path / name)

    with_client(tmp_path, act)
    left = {"x.opus.part"} if name == "no such folder/x.opus" else {"folder.part"}
    assert {path.name for path in tmp_path.glob("*.part")} <= left


def test_a_full_disk_is_told_of(tmp_path, monkeypatch):
    def write(_file: object, data: bytes) -> None:
        if len(data) > 1000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(partfile, "_write", write)

    async def act(now: Stage) -> None:
        with pytest.raises(StateError, match="No space left"):
            await fetch(now.client, NOISE.track.uri, tmp_path / "x")

    with_client(tmp_path, act)
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize("at_s", [0.0, 0.03, 0.06, 0.1, 1.0])
def test_a_cancellation_leaves_at_most_a_part(tmp_path, at_s):
    async def act(now: Stage) -> None:
        now.phone.down = Link(20_000, 0.05)
        with trio.move_on_after(at_s) as scope:
            await fetch(now.client, NOISE.track.uri, tmp_path / "x.opus")
        assert scope.cancelled_caught
        await trio.testing.wait_all_tasks_blocked()

    with_client(tmp_path, act)
    assert not (tmp_path / "x.opus").exists()
    assert (tmp_path / "x.opus.part").exists() == (at_s > 0.1)


def test_two_fetches_of_one_file_do_not_mix(tmp_path):
    path = tmp_path / "x.opus"
    told: list[str] = []

    async def act(now: Stage) -> None:
        now.phone.down = Link(20_000, 0.05)

        async def second(done: int, _total: int | None) -> None:
            if not told:
                told.append("")
                with pytest.raises(StateError, match=r"another fetch is writing .*x\.opus: wait for it"):
                    await fetch(now.client, demo_track("copper-rain").track.uri, path)

        async with trio.open_nursery() as nursery:
            options = FetchOptions(on_progress=lambda *done: nursery.start_soon(second, *done))
            await fetch(now.client, NOISE.track.uri, path, options)

    with_client(tmp_path, act)
    assert told
    assert path.read_bytes() == whole(NOISE, 2)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["x.opus"]


def test_standard_output_takes_the_same_bytes(tmp_path, capfdbinary):
    async def act(now: Stage) -> None:
        done = await fetch(now.client, NOISE.track.uri, None)
        assert (str(done.path), done.size_bytes) == ("-", len(whole(NOISE, 2)))

    with_client(tmp_path, act)
    assert capfdbinary.readouterr().out == whole(NOISE, 2)


def test_standard_output_that_nobody_reads(tmp_path, monkeypatch):
    class Gone:
        def write(self, _data: bytes) -> None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    async def act(now: Stage) -> None:
        monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=Gone()))
        with pytest.raises(StateError, match=r"cannot write to standard output \(Broken pipe"):
            await fetch(now.client, NOISE.track.uri, None)
        monkeypatch.undo()

    with_client(tmp_path, act)


@pytest.mark.parametrize(
    ("number", "way_out"),
    [(errno.EACCES, "name another place"), (errno.ENOSPC, "make room"), (errno.EDQUOT, "make room")],
)
def test_a_file_that_cannot_be_written_has_a_way_out(number, way_out):
    assert way_out in _refusal(Path("x.opus"), OSError(number, "why"))


# A file that has the name already.


def fetched_over(tmp_path: Path, there: bytes, **how: object) -> tuple[Fetched, int]:
    """Fetch where a file is that is not to be replaced; return what was done, and how many bytes came."""
    (tmp_path / "x.opus").write_bytes(there)
    result: list[tuple[Fetched, int]] = []

    async def act(now: Stage) -> None:
        options = FetchOptions(replaces=False, **how)
        done = await fetch(now.client, NOISE.track.uri, tmp_path / "x.opus", options)
        result.append((done, now.phone.counters.rx_bytes()))

    with_client(tmp_path, act)
    return result[0]


@pytest.mark.parametrize(("kbps", "rendition"), [(None, 2), (24, 0)])
def test_a_finished_file_of_the_track_is_left_and_told_of(tmp_path, kbps, rendition):
    data = whole(NOISE, rendition)
    done, came = fetched_over(tmp_path, data, bitrate_kbps=kbps)
    assert (done.was_there, done.size_bytes, done.kept_bytes) == (True, len(data), len(data) - len(b"header"))
    assert came < 20_000
    assert (tmp_path / "x.opus").read_bytes() == data
    assert not (tmp_path / "x.opus.part").exists()


@pytest.mark.parametrize(
    "there",
    [b"", b"mine", whole(NOISE, 1), whole(NOISE, 2)[:-1], whole(NOISE, 2) + b"x", b"header" + bytes(400_000)],
    ids=["nothing", "mine", "another rendition", "cut short", "too long", "another track"],
)
def test_another_file_is_never_replaced_unasked(tmp_path, there):
    (tmp_path / "x.opus").write_bytes(there)

    async def act(now: Stage) -> None:
        with pytest.raises(UsageError, match=r"x.opus is there already, and is something else: .*--force"):
            await fetch(now.client, NOISE.track.uri, tmp_path / "x.opus", FetchOptions(replaces=False))

    with_client(tmp_path, act)
    assert (tmp_path / "x.opus").read_bytes() == there
    assert not (tmp_path / "x.opus.part").exists()


@pytest.mark.parametrize("kind", ["link", "folder", "fifo"])
def test_what_is_no_file_is_not_replaced_either(tmp_path, kind):
    path, mine = tmp_path / "x.opus", tmp_path / "mine"
    mine.write_bytes(b"mine")
    {"link": lambda: path.symlink_to(mine), "folder": path.mkdir, "fifo": lambda: os.mkfifo(path)}[kind]()

    async def act(now: Stage) -> None:
        with pytest.raises(UsageError, match="is something else"):
            await fetch(now.client, NOISE.track.uri, path, FetchOptions(replaces=False))

    with_client(tmp_path, act)
    assert mine.read_bytes() == b"mine"
    assert path.is_symlink() or not path.is_file()
