"""The first contact: from when it is waited for, for how long, and what a try may cost."""

from __future__ import annotations

import math

import pytest
import trio

from lightpeer.errors import NoPeerError
from lightpeer.playback.contact import FirstContact
from tests.rpc.service import run

AWAY = NoPeerError("away")


async def never() -> None:
    await trio.sleep_forever()


def test_the_wait_begins_when_a_listener_has_nothing_to_hear():
    async def main():
        contact = FirstContact(15.0, lambda: 0)
        await trio.sleep(100.0)
        assert contact.again_s(AWAY, 4.0) == 4.0
        contact.begin()
        assert contact.again_s(AWAY, 4.0) == 4.0
        await trio.sleep(14.0)
        contact.begin()
        assert contact.again_s(AWAY, 4.0) == 1.0, "it is the same wait"
        await trio.sleep(1.0)
        assert contact.again_s(AWAY, 4.0) is None
        contact.end()
        assert contact.again_s(AWAY, 4.0) == 4.0
        contact.is_made = True
        contact.begin()
        await trio.sleep(100.0)
        assert contact.again_s(AWAY, 4.0) == 4.0

    run(main)


def test_what_cannot_pass_is_not_waited_for_by_a_listener():
    async def main():
        hopeless = NoPeerError("no peer is known", may_pass=False)
        contact = FirstContact(15.0, lambda: 0)
        contact.begin()
        assert contact.again_s(hopeless, 4.0) is None
        forever = FirstContact(math.inf, lambda: 0)
        forever.begin()
        assert forever.again_s(hopeless, 4.0) == 4.0

    run(main)


@pytest.mark.parametrize("begins_s", [0.0, 50.0])
def test_a_try_that_brings_nothing_is_cut_short_also_if_it_began_before_the_wait(begins_s):
    async def main():
        contact = FirstContact(15.0, lambda: 0)

        async def become_due() -> None:
            await trio.sleep(begins_s)
            contact.begin()

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(become_due)
            with pytest.raises(NoPeerError, match="no peer can be reached"):
                await contact.attempt(never)
        assert trio.current_time() - began == begins_s + 15.0

    run(main)


def test_a_try_that_has_brought_bytes_is_not_cut_short():
    async def main():
        contact = FirstContact(15.0, lambda: round(trio.current_time() * 1000))

        async def slow() -> str:
            await trio.sleep(60.0)
            return "opened"

        contact.begin()
        assert await contact.attempt(slow) == "opened"

    run(main)
