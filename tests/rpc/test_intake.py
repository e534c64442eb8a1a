"""Who is served, and what clients may cost."""

from __future__ import annotations

from lightpeer.core.guard.turns import Turn
from lightpeer.rpc.intake import Client, Intake, ServerBounds
from lightpeer.rpc.server import LIMITS
from tests.rpc.service import run, stream_pair


def admitted(intake: Intake, host: str = "192.0.2.1") -> Client | None:
    _, theirs = stream_pair()
    theirs.peer_address = (host, 2000)
    return intake.admit(theirs, lambda: LIMITS)


def test_a_newcomer_takes_the_place_of_an_idle_client():
    async def main():
        intake = Intake(ServerBounds(connections=1))
        first = admitted(intake)
        assert not first.is_let_go
        second = admitted(intake, "198.51.100.1")
        assert first.is_let_go
        assert not first.core.is_open
        assert "another needs its place" in first.core.why_closed
        intake.leave(first)
        assert second.core.is_open

    run(main)


def test_a_connection_that_is_gone_has_no_place():
    class Gone:
        @property
        def peer_address(self):
            raise OSError

    async def main():
        assert Intake(ServerBounds()).admit(Gone(), lambda: LIMITS) is None

    run(main)


def test_of_a_host_that_connects_too_often_more_are_turned_away():
    async def main():
        asked = []

        def limits():
            asked.append(1)
            return LIMITS

        intake = Intake(ServerBounds(connections_per_host=2, connections_per_s=1.0))
        _, theirs = stream_pair()
        theirs.peer_address = ("192.0.2.1", 2000)
        admissions = [intake.admit(theirs, limits) for _ in range(6)]
        assert sum(client is not None for client in admissions) == len(asked) == 4
        assert admitted(intake, "198.51.100.1") is not None

    run(main)


def test_the_client_that_holds_most_is_let_go_once():
    async def main():
        intake = Intake(ServerBounds(held_bytes=100))
        small, large = admitted(intake), admitted(intake, "198.51.100.1")
        intake.hold(small, 40)
        intake.hold(large, 61)
        assert large.is_let_go
        assert not small.is_let_go
        intake.hold(large, 1000)  # what it still holds goes with it
        intake.hold(small, 99)
        assert not small.is_let_go
        intake.hold(small, 101)
        assert small.is_let_go

    run(main)


def test_reads_are_paced_only_where_work_is_bounded():
    async def main():
        free, paced = Intake(ServerBounds()), Intake(ServerBounds(work_per_s=10.0))
        assert free.pacing(admitted(free)) is None
        assert isinstance(paced.pacing(admitted(paced)), Turn)

    run(main)
