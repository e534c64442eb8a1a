"""How a view is filled and kept whole, with imagined meetings and virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import trio

from lightpeer.core.addresses import LOOPBACK_SCOPE
from lightpeer.core.overlay.peer_cache import PeerCache
from lightpeer.core.overlay.view import View
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.records import PeerRecord, Role, build_record, parse_record_untrusted
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.overlay.joining import (
    FEW_NEIGHBOURS,
    JOIN_AGAIN_S,
    JOIN_THROUGH_S,
    MAX_JOIN_AGAIN_S,
    OUTSIDE_S,
    Joining,
)
from lightpeer.serve.overlay.meeting import Met
from lightpeer.testing import simulate
from lightpeer.testing.host import EPOCH_S

US = Identity(b"u" * 32)
BOOTSTRAP = Contact(("20.0.0.1", 1))


def record(number: int) -> PeerRecord:
    identity = Identity((700 + number).to_bytes(32, "big"))
    data = build_record(identity, [(f"{20 + number}.0.0.1", 1)], Role.SERVES, EPOCH_S, EPOCH_S + 86_400)
    return parse_record_untrusted(data, EPOCH_S)


class Meetings:
    """Servers that are met by their host; each recommends some others."""

    def __init__(self) -> None:
        self.clock = SimpleNamespace(unix_time=lambda: EPOCH_S)
        self.recommends: dict[str, list[PeerRecord]] = {}
        self.own: dict[str, PeerRecord] = {}
        self.names: dict[str, list[str]] = {}
        self.met: list[tuple[float, str, int, bool, pb.ExchangeRequest]] = []
        self.silent: set[str] = set()
        self.unproven: set[bytes] = set()

    async def resolve(self, host: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        if host == "nowhere.example":
            raise OSError("the name is unknown")
        return self.names.get(host, [host])

    async def try_to_meet(self, contact, request, *, scope, is_named) -> Met | None:
        host = contact.address[0]
        self.met.append((trio.current_time(), host, scope, is_named, request))
        if host in self.silent:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        if host not in self.recommends:
            return None
        return Met(b"p" * 32, host, self.own.get(host), self.recommends[host])

    async def verify(self, found: PeerRecord, source: bytes, source_host: str) -> PeerRecord | None:
        await trio.lowlevel.checkpoint()
        return None if found.peer_id in self.unproven else found

    def hosts(self) -> list[str]:
        return [host for _, host, *_ in self.met]


class Stage:
    def __init__(self) -> None:
        self.view: View[PeerRecord] = View(US.peer_id, group_of=lambda record: None)
        self.peers = PeerCache(own=US.peer_id)
        self.meetings = Meetings()
        self.announced: bytes | None = b"our record"
        self.contacts = [BOOTSTRAP]
        self.joining = Joining(self.view, self.peers, self.meetings, lambda: self.announced, bytes)

    def remember(self, *records: PeerRecord) -> None:
        for known in records:
            self.peers.add(known, known.peer_id, EPOCH_S)
            self.peers.on_success(known.peer_id, 0.1, EPOCH_S)


def joined(
    test: Callable[[Stage, trio.Nursery], Awaitable[None]], prepare: Callable[[Stage], object]
) -> None:
    async def main(_net):
        stage = Stage()
        prepare(stage)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.joining.keep_joined, lambda: stage.contacts, 60.0)
            await test(stage, nursery)
            nursery.cancel_scope.cancel()

    simulate(main)


def test_a_server_introduces_itself_to_a_bootstrap_peer_and_takes_its_recommendations() -> None:
    def prepare(stage: Stage) -> None:
        stage.meetings.recommends["20.0.0.1"] = [record(n) for n in (2, 3, 4)]
        stage.meetings.own["20.0.0.1"] = record(1)

    async def test(stage: Stage, nursery: trio.Nursery) -> None:
        await trio.sleep(1)
        assert {r.endpoints[0][0] for r in stage.view.records} == {f"{20 + n}.0.0.1" for n in (1, 2, 3, 4)}
        (_, _, scope, is_named, first), (*_, second) = stage.meetings.met
        assert (scope, is_named) == (LOOPBACK_SCOPE, True)
        assert (first.want > 3, list(first.records)) == (True, [])
        assert list(second.records) == [b"our record"]
        await trio.sleep(3600)
        assert len(stage.meetings.met) == 2, "there are neighbours enough"

    joined(test, prepare)


def test_what_cannot_be_proven_is_no_neighbour() -> None:
    def prepare(stage: Stage) -> None:
        stage.meetings.recommends["20.0.0.1"] = [record(2), record(3)]
        stage.meetings.unproven.add(record(3).peer_id)

    async def test(stage: Stage, nursery: trio.Nursery) -> None:
        await trio.sleep(1)
        assert [r.peer_id for r in stage.view.records] == [record(2).peer_id]

    joined(test, prepare)


def test_a_server_that_is_not_announced_only_asks() -> None:
    def prepare(stage: Stage) -> None:
        stage.announced = None
        stage.meetings.recommends["20.0.0.1"] = [record(n) for n in range(2, 8)]

    async def test(stage: Stage, nursery: trio.Nursery) -> None:
        await trio.sleep(1)
        assert len(stage.meetings.met) == 1
        assert len(stage.view) == 6

    joined(test, prepare)


def test_it_tries_again_with_growing_pauses_or_at_once_when_somebody_new_is_there() -> None:
    async def test(stage: Stage, nursery: trio.Nursery) -> None:
        await trio.sleep(100)
        times = [at for at, *_ in stage.meetings.met]
        assert times == [0.0, JOIN_AGAIN_S, 3 * JOIN_AGAIN_S, 7 * JOIN_AGAIN_S, 15 * JOIN_AGAIN_S]
        stage.joining.join_soon()
        await trio.sleep(1)
        assert stage.meetings.met[-1][0] == 100.0
        await trio.sleep(10 * MAX_JOIN_AGAIN_S)
        last, again = (at for at, *_ in stage.meetings.met[-2:])
        assert again - last == MAX_JOIN_AGAIN_S

    joined(test, lambda stage: None)


def test_somebody_new_does_not_make_it_knock_more_than_each_five_seconds() -> None:
    async def test(stage: Stage, nursery: trio.Nursery) -> None:
        for _ in range(50):
            stage.joining.join_soon()
            await trio.sleep(1)
        assert len(stage.meetings.met) <= 50 / JOIN_AGAIN_S + 1

    joined(test, lambda stage: None)


def test_each_address_of_a_name_is_met_and_a_name_that_leads_nowhere_is_passed_over() -> None:
    def prepare(stage: Stage) -> None:
        stage.contacts = [Contact(("nowhere.example", 1)), Contact(("peers.example", 1))]
        stage.meetings.names["peers.example"] = ["30.0.0.1", "2001:db8::1"]

    async def test(stage: Stage, nursery: trio.Nursery) -> None:
        await trio.sleep(1)
        assert stage.meetings.hosts() == ["30.0.0.1", "2001:db8::1"]

    joined(test, prepare)


def test_remembered_peers_are_met_as_long_as_neighbours_are_few() -> None:
    def prepare(stage: Stage) -> None:
        stage.contacts = []
        known = [record(number) for number in range(1, 8)]
        stage.remember(*known)
        for one in known:
            host = one.endpoints[0][0]
            stage.meetings.own[host], stage.meetings.recommends[host] = one, []

    async def test(stage: Stage, nursery: trio.Nursery) -> None:
        await trio.sleep(1)
        assert len(stage.view) == FEW_NEIGHBOURS
        assert len(set(stage.meetings.hosts())) == FEW_NEIGHBOURS
        assert not any(is_named for _, _, _, is_named, _ in stage.meetings.met)

    joined(test, prepare)


def test_a_peer_that_never_answers_holds_up_the_others_for_half_a_minute_at_most() -> None:
    def prepare(stage: Stage) -> None:
        stage.contacts = [Contact(("30.0.0.1", 1)), BOOTSTRAP]
        stage.meetings.silent.add("30.0.0.1")

    async def test(stage: Stage, nursery: trio.Nursery) -> None:
        await trio.sleep(JOIN_THROUGH_S + 1)
        assert [(at, host) for at, host, *_ in stage.meetings.met] == [
            (0.0, "30.0.0.1"),
            (JOIN_THROUGH_S, "20.0.0.1"),
        ]

    joined(test, prepare)


def test_one_outside_is_met_each_ten_minutes_however_many_neighbours_there_are() -> None:
    async def main(_net):
        stage = Stage()
        for number in range(10, 16):
            stage.view.add(record(number))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.joining.keep_whole, lambda: stage.contacts)
            await trio.sleep(3.5 * OUTSIDE_S)
            assert [(at, host) for at, host, *_ in stage.meetings.met] == [
                (n * OUTSIDE_S, "20.0.0.1") for n in (1, 2, 3)
            ]
            stage.contacts = []
            stage.remember(record(5), record(10))
            await trio.sleep(OUTSIDE_S)
            assert stage.meetings.hosts()[-1] == "25.0.0.1", "record 10 is a neighbour"
            nursery.cancel_scope.cancel()

    simulate(main)


def test_where_nobody_is_known_nobody_is_met() -> None:
    async def main(_net):
        stage = Stage()
        stage.contacts = []
        with trio.move_on_after(5 * OUTSIDE_S):
            await stage.joining.keep_whole(lambda: stage.contacts)
        assert stage.meetings.met == []

    simulate(main)
