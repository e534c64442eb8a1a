"""Where a speaker listens: what is refused, and what is left behind."""

from __future__ import annotations

import socket
import stat

import pytest
import trio

from lightpeer.errors import StateError
from lightpeer.net.system import SystemNetwork
from lightpeer.speaker.places import listen_at, open_socket


def test_an_address_that_is_taken_is_named():
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = taken.getsockname()
            with pytest.raises(StateError, match=f"127.0.0.1:{address[1]} .*--mpd-listen"):
                await listen_at(SystemNetwork(), address)

    trio.run(main)


def test_a_socket_is_for_its_user_and_goes_with_the_speaker(tmp_path):
    path = tmp_path / "mpd"

    async def main() -> None:
        for _ in range(2):
            async with open_socket(path) as listener, trio.open_nursery() as nursery:
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
                nursery.start_soon(_greet, listener)
                async with await trio.open_unix_socket(path) as stream:
                    assert await stream.receive_some() == b"hello"
            assert not path.exists()

    trio.run(main)


async def _greet(listener: trio.SocketListener) -> None:
    async with await listener.accept() as stream:
        await stream.send_all(b"hello")


def test_a_socket_that_was_left_is_replaced(tmp_path):
    path = tmp_path / "mpd"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    async def main() -> None:
        async with open_socket(path):
            assert stat.S_ISSOCK(path.lstat().st_mode)

    trio.run(main)


def test_another_file_stays(tmp_path):
    path = tmp_path / "mpd"
    path.write_text("mine")

    async def main() -> None:
        async with open_socket(path):
            raise AssertionError("it was replaced")

    with pytest.raises(StateError, match="choose another with --mpd-socket"):
        trio.run(main)
    assert path.read_text() == "mine"
