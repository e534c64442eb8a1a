"""One uplink for all: what is sent in all stays below the cap, and is shared by those who want it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from lightpeer.serve.sending.uplink import SEND_AHEAD_S, Uplink

CAP = 10_000
SEGMENT = 6000


def sharing(test: Callable[[Uplink, trio.Nursery], Awaitable[None]]) -> None:
    async def main() -> None:
        uplink = Uplink(CAP)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(uplink.run)
            await test(uplink, nursery)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


class Sender:
    """Sends messages of a size by gRPC, or datagrams by UDP, as fast as it may."""

    def __init__(self, uplink: Uplink, who: str) -> None:
        self.uplink = uplink
        self.who = who
        self.sent = 0

    async def stream(self, size: int = SEGMENT) -> None:
        while True:
            await self.uplink.take(self.who, size)
            self.sent += size

    async def turn(self) -> int:
        self.sent += 1229
        self.uplink.join(self.who, self.turn)
        return 1229


def test_messages_and_datagrams_share_the_cap_evenly() -> None:
    async def test(uplink: Uplink, nursery: trio.Nursery) -> None:
        senders = [Sender(uplink, str(n)) for n in range(1, 5)]
        for sender, size in zip(senders, (SEGMENT, 100, 30_000), strict=False):
            nursery.start_soon(sender.stream, size)
        uplink.join(senders[3].who, senders[3].turn)
        await trio.sleep(100)
        shares = [sender.sent / (100 * CAP) for sender in senders]
        assert 0.96 < sum(shares) < 1.01
        assert shares[0] == pytest.approx(shares[2], abs=0.03)
        assert shares[0] == pytest.approx(shares[3], abs=0.03)
        assert shares[1] < 0.1, "who wants little gets it, and no more"

    sharing(test)


def test_a_network_has_one_share_however_much_it_opens() -> None:
    async def test(uplink: Uplink, nursery: trio.Nursery) -> None:
        one, many = Sender(uplink, "1"), Sender(uplink, "2")
        nursery.start_soon(one.stream)
        for _ in range(10):
            nursery.start_soon(many.stream)
            uplink.join(many.who, many.turn)
        await trio.sleep(100)
        assert one.sent == pytest.approx(many.sent, rel=0.1)

    sharing(test)


def test_who_does_not_wait_any_more_takes_nothing() -> None:
    async def test(uplink: Uplink, nursery: trio.Nursery) -> None:
        other = Sender(uplink, "1")
        with trio.move_on_after(1.0):
            await uplink.take("2", 1_000_000)
        began_s = trio.current_time()
        with trio.move_on_after(SEGMENT / CAP + 0.3):
            await other.stream()
        assert other.sent == SEGMENT
        assert trio.current_time() - began_s < 1.0
        await trio.sleep(1)
        assert not uplink._row
        assert not uplink._turns

    sharing(test)


def test_first_segments_leave_at_once_while_nobody_waits_and_are_paid_for_in_the_row() -> None:
    async def test(uplink: Uplink, nursery: trio.Nursery) -> None:
        assert uplink.spare_bytes() == SEND_AHEAD_S * CAP
        uplink.spent("1", 4000)
        assert uplink.spare_bytes() == 0, "until it is paid for"
        began_s = trio.current_time()
        await uplink.take("2", 1000)
        assert trio.current_time() - began_s < 0.3, "others are not held up by all of it"
        assert uplink.spare_bytes() == 0
        await trio.sleep_until(began_s + 5000 / CAP)
        assert uplink.spare_bytes() == SEND_AHEAD_S * CAP, "all of it is paid for"
        nursery.start_soon(Sender(uplink, "1").stream)
        await trio.testing.wait_all_tasks_blocked()
        assert uplink.spare_bytes() == 0, "somebody waits"
        for _ in range(100):
            uplink.spent("3", uplink.spare_bytes())
        assert "3" not in uplink._turns, "nothing was sent, and nothing is kept of it"

    sharing(test)


def test_who_opens_without_end_starves_nobody() -> None:
    async def test(uplink: Uplink, nursery: trio.Nursery) -> None:
        listener = Sender(uplink, "1")
        opened = 0

        async def open_without_end() -> None:
            nonlocal opened
            while True:
                size = uplink.spare_bytes()
                uplink.spent("2", size)
                opened += size
                await trio.sleep(0.001)

        nursery.start_soon(open_without_end)
        with trio.move_on_after(50):
            await listener.stream(1200)
        assert listener.sent > 0.45 * 50 * CAP
        assert listener.sent + opened < 1.05 * 50 * CAP

    sharing(test)


def test_an_idle_uplink_does_nothing() -> None:
    async def test(uplink: Uplink, nursery: trio.Nursery) -> None:
        await uplink.take("1", 100)
        instrument = Steps()
        trio.lowlevel.add_instrument(instrument)
        await trio.sleep(1000)
        assert instrument.steps <= 2, "this test's own"

    sharing(test)


class Steps(trio.abc.Instrument):
    def __init__(self) -> None:
        self.steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1
