"""Connections of remote controls: who may come, how many, and what a slow one costs others."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from lightpeer.client.models import Hit
from lightpeer.core.mpd.connection import SILENCE_S
from lightpeer.core.mpd.song import Song
from lightpeer.core.mpd.speaker import Speaker
from lightpeer.core.queue.play_queue import PlayQueue
from lightpeer.errors import LightpeerError, leaves_of
from lightpeer.speaker.mpd import LINGER_S, MAX_CONNECTIONS, Remotes
from lightpeer.speaker.searching import Searches
from tests.core.mpd.remote import Player
from tests.speaker.stage import GREETING, PORT, RAIN, SPEAKER, Line, Stage, perform


async def is_refused(on: Stage, host: str) -> bool:
    try:
        line = Line(await on.net.host(host).connect_tcp(SPEAKER, PORT))
        return await line.line() == ""
    except (OSError, trio.BrokenResourceError):
        return True


def test_pipelined_commands_are_answered_in_order(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        await line.stream.send_all(b"list artist\nsearch any copper\nfoo\nping\n")
        assert await line.line() == "OK"
        assert await line.line() == f"file: {RAIN.track.uri}"
        while (answer := await line.line()) != "OK":
            assert ": " in answer
        assert [await line.line(), await line.line()] == ['ACK [5@0] {} unknown command "foo"', "OK"]

    perform(tmp_path, act)


def test_a_stranger_on_the_internet_is_sent_away_unless_there_is_a_password(tmp_path):
    async def act(on: Stage) -> None:
        assert await is_refused(on, "8.8.8.8")
        on.speaker.password = "sesame"
        line = await on.connect("8.8.4.4")
        assert (await line.ask("status"))[0].startswith("ACK [4@0] {status}")
        assert await line.ask("password sesame") == []
        assert (await line.fields("status"))["state"] == "stop"

    perform(tmp_path, act)


def test_connections_are_bounded_and_make_room_as_they_end(tmp_path):
    async def act(on: Stage) -> None:
        lines = [await on.connect() for _ in range(MAX_CONNECTIONS)]
        assert await is_refused(on, "10.0.9.3")
        await lines[0].ask("close")
        await lines[1].stream.aclose()
        await trio.sleep(1.0)
        for host in ("10.0.9.4", "10.0.9.5"):
            assert await (await on.connect(host)).ask("ping") == []

    perform(tmp_path, act)


def test_who_says_nothing_is_closed_and_who_is_idle_is_not(tmp_path):
    async def act(on: Stage) -> None:
        silent, idle = await on.connect(), await on.connect("10.0.9.3")
        await idle.stream.send_all(b"idle mixer\n")
        began_s = trio.current_time()
        assert await silent.line() == ""
        assert trio.current_time() - began_s == pytest.approx(SILENCE_S, abs=1.0)
        await trio.sleep(10 * SILENCE_S)
        on.speaker.controls.set_volume(30)
        assert [await idle.line(), await idle.line()] == ["changed: mixer", "OK"]
        began_s = trio.current_time()
        assert await idle.line() == ""
        assert trio.current_time() - began_s == pytest.approx(SILENCE_S, abs=1.0)

    perform(tmp_path, act)


def test_another_protocol_is_closed_at_once(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        await line.stream.send_all(b"GET / HTTP/1.1\r\nHost: pi\r\n\r\n")
        assert await line.line() == ""

    perform(tmp_path, act)


def test_a_client_that_does_not_read_holds_up_nobody_and_is_dropped(tmp_path):
    async def act(on: Stage) -> None:
        songs = [Song(f"loud:{number}", "x" * 400) for number in range(5000)]
        on.speaker.catalogue.remember(songs, 1.0)
        slow, other = await on.connect(), await on.connect("10.0.9.3")
        await slow.stream.send_all(b"listallinfo\n" * 8)
        assert (await other.fields("status"))["state"] == "stop"
        await trio.sleep(LINGER_S + 1)
        received = 0
        try:
            while data := await slow.stream.receive_some(65_536):
                received += len(data)
        except trio.BrokenResourceError:
            pass
        assert received < 8_000_000
        assert await other.ask("ping") == []

    perform(tmp_path, act)


def test_a_search_goes_on_though_its_client_has_left(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        await line.stream.send_all(b"search any copper\n")
        await line.stream.aclose()
        other = await on.connect("10.0.9.3")
        assert f"file: {RAIN.track.uri}" in await other.ask("search any copper")

    perform(tmp_path, act)


def test_an_error_of_the_speaker_itself_is_not_hidden(tmp_path):
    async def act(on: Stage) -> None:
        def fail() -> None:
            raise LightpeerError("a fault")

        on.speaker.controls.now = fail
        line = await on.connect()
        await line.stream.send_all(b"status\n")
        await trio.sleep(1.0)

    with pytest.raises(ExceptionGroup) as group:
        perform(tmp_path, act)
    assert [str(error) for error in leaves_of(group.value)] == ["a fault"]


class Broken(trio.abc.Stream):
    """A stream of which one way is broken."""

    def __init__(self, *, reads: bool) -> None:
        self.reads = reads
        self.is_closed = False

    async def receive_some(self, _max_bytes: int | None = None) -> bytes:
        if self.reads:
            await trio.sleep_forever()
        raise trio.BrokenResourceError

    async def send_all(self, _data: bytes) -> None:
        raise trio.BrokenResourceError

    async def wait_send_all_might_not_block(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        self.is_closed = True
        await trio.lowlevel.checkpoint()


class Waiting(trio.abc.Listener[trio.abc.Stream]):
    """Gives some connections, and then none."""

    def __init__(self, *streams: trio.abc.Stream) -> None:
        self._streams = list(streams)

    async def accept(self) -> trio.abc.Stream:
        if not self._streams:
            await trio.sleep_forever()
        return self._streams.pop()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def find_nothing(_words: str) -> list[Hit]:
    return []


def test_a_connection_that_breaks_is_left_and_programs_of_this_machine_may_come():
    async def main() -> None:
        queue = PlayQueue(lambda below: 0)
        speaker = Speaker(queue, Player(queue), 0.0)
        ours, theirs = trio.testing.memory_stream_pair()
        broken = [Broken(reads=True), Broken(reads=False)]
        async with trio.open_nursery() as nursery:
            searches = Searches(find_nothing, speaker.catalogue, lambda: 0.0, nursery)
            remotes = Remotes(speaker, searches, lambda: 0.0)
            nursery.start_soon(remotes.listen_near, Waiting(*broken, ours))
            line = Line(theirs)
            assert await line.line() == GREETING
            assert await line.ask("ping") == []
            await trio.testing.wait_all_tasks_blocked()
            assert [stream.is_closed for stream in broken] == [True, True]
            nursery.cancel_scope.cancel()

    trio.run(main)
