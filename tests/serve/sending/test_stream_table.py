from __future__ import annotations

import errno
import gc
import logging
import threading
import tracemalloc
from types import SimpleNamespace

import pytest
import trio

from lightpeer.core.content.uri import format_uri
from lightpeer.core.guard.rules import Rules
from lightpeer.core.lists.rule_lists import DENIABLE, read_list
from lightpeer.core.trust.identity import Identity, PeerId, format_peer_id
from lightpeer.core.udp.datagram import (
    LEASE_S,
    DatagramKeys,
    Pull,
    UnitRange,
    build_pull,
    derive_keys,
    parse_answer_untrusted,
)
from lightpeer.core.udp.sender import END_S, StreamSender, path_token
from lightpeer.errors import BadMessageError
from lightpeer.net.system import SystemNetwork
from lightpeer.serve.access.access import Access
from lightpeer.serve.access.node import Node
from lightpeer.serve.sending import stream_table
from lightpeer.serve.sending.stream_table import StreamTable
from lightpeer.serve.sending.uplink import Uplink
from lightpeer.testing.host import SimHost
from lightpeer.testing.network import simulate

SERVER = Identity(b"\x01" * 32)
TRACK_ID = b"t" * 32
SEGMENT = bytes(range(256)) * 20


class FakeTrack:
    track_id = TRACK_ID

    def holds(self, rendition: int, segment: int) -> bool:
        return segment <= 9

    def read(self, rendition: int, segment: int) -> bytes:
        return bytes([rendition, segment]) + SEGMENT


class OtherTrack(FakeTrack):
    track_id = b"o" * 32


class GatedTrack(FakeTrack):
    """A track on a disk that does not answer until the gate is open."""

    track_id = b"g" * 32

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.reading = threading.Event()

    def read(self, rendition: int, segment: int) -> bytes:
        self.reading.set()
        self.gate.wait()
        return super().read(rendition, segment)


class BrokenTrack(FakeTrack):
    """A track on a disk that fails."""

    track_id = b"b" * 32

    def read(self, rendition: int, segment: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")


class FakeClient:
    """Opens a stream as the services would, then speaks to it over UDP."""

    def __init__(self, host: SimHost, identity: Identity) -> None:
        self.host = host
        self.identity = identity

    async def open(self, table: StreamTable, track: FakeTrack | None = None) -> FakeClient:
        ephemeral = Identity(self.host.entropy(32))
        self.opened = open_one(table, self.identity.peer_id, ephemeral.public_key, self.host, track)
        assert self.opened is not None
        shared = ephemeral.shared_secret_untrusted(self.opened.ephemeral_key)
        track_id = TRACK_ID if track is None else track.track_id
        self.keys = keys_of(shared, self.identity.peer_id, self.opened.stream_id, track_id)
        self.socket = await self.host.open_udp("")
        self.server = (getattr(self.host, "server", "10.0.0.1"), table.port)
        self.pulls = 0
        return self

    async def pull(self, *ranges, pace: int = 100_000) -> None:
        pull = Pull(
            self.opened.stream_id,
            self.pulls,
            pace,
            self.opened.path_token,
            0,
            [UnitRange(*r) for r in ranges],
        )
        self.pulls += 1
        await self.socket.send_to(build_pull(pull, self.keys), self.server)

    async def receive(self, n: int):
        return [parse_answer_untrusted((await self.socket.receive_from())[0], self.keys) for _ in range(n)]


def keys_of(shared: bytes, client: PeerId, stream_id: int, track_id: bytes) -> DatagramKeys:
    return derive_keys(shared, track_id=track_id, client=client, server=SERVER.peer_id, stream_id=stream_id)


def open_one(table: StreamTable, client: PeerId, key: bytes, host: SimHost, track: FakeTrack | None = None):
    track = track or FakeTrack()
    return table.open(
        client=client,
        client_key=key,
        caller=(host.address, 999),
        track_id=track.track_id,
        track=track,
    )


def with_table(test, *, cap: int | None = None, access: Access | None = None, **kwargs) -> None:
    async def main(net):
        server, phone = net.host("10.0.0.1"), net.host("10.0.0.2")
        uplink = None if cap is None else Uplink(cap)
        table = StreamTable(Node(SERVER, server, access or Access(SERVER.peer_id)), uplink=uplink, **kwargs)
        assert table.port == 0
        await table.bind("")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(table.run)
            if uplink is not None:
                nursery.start_soon(uplink.run)
            await test(table, phone)
            nursery.cancel_scope.cancel()
        with pytest.raises(trio.ClosedResourceError):
            await table._socket.receive_from()

    simulate(main)


def identity(n: int) -> Identity:
    return Identity(n.to_bytes(32, "big"))


def test_the_port_asked_for_is_taken_where_it_is_free() -> None:
    async def main(net):
        server = net.host("10.0.0.1")
        first, second = (
            StreamTable(Node.open_to_all(SERVER, server)),
            StreamTable(Node.open_to_all(SERVER, server)),
        )
        await first.bind("", 47474)
        await second.bind("", 47474)
        assert first.port == 47474
        assert second.port not in {0, 47474}
        with pytest.raises(OSError, match="not an address"):
            await StreamTable(Node.open_to_all(SERVER, server)).bind("10.0.0.9", 47474)

    simulate(main)


def test_a_stream_answers_its_pulls_at_their_pace() -> None:
    async def test(table, phone):
        client = await FakeClient(phone, identity(5)).open(table)
        await client.pull((1, 3, 0, 5), (1, 10, 0, 1), pace=10_000)
        units = await client.receive(5)
        assert b"".join(u.payload for u in units) == b"\x01\x03" + SEGMENT
        assert trio.current_time() == pytest.approx(0.04 + 3 * (5122 / 5 + 37) / 10_000, abs=0.02)

    with_table(test)


def test_a_cap_on_the_uplink_is_kept_and_shared_by_all() -> None:
    """Three want ten times what there is, and the fourth, which wants little, is not held up by them."""

    async def test(table, phone):
        clients = [await FakeClient(phone, identity(n)).open(table) for n in range(1, 5)]
        for client in clients[:3]:
            await client.pull(*((0, n, 0, 5) for n in range(20)), pace=100_000)
        got = [0] * 4

        async def count(number: int) -> None:
            while True:
                got[number] += len((await clients[number].receive(1))[0].payload) + 37

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(count, number)
            await trio.sleep(0.5)
            await clients[3].pull((0, 1, 0, 2), pace=100_000)
            await trio.sleep(0.5)
            assert got[3] > 2 * 1000, "it came in its turn"
            await trio.sleep(1.0)
            nursery.cancel_scope.cancel()
        assert sum(got) == pytest.approx(2.0 * 30_000, rel=0.1)
        assert max(got[:3]) - min(got[:3]) < 2 * 1229

    with_table(test, cap=30_000)


def test_streams_of_several_clients_run_beside_each_other() -> None:
    async def test(table, phone):
        clients = [await FakeClient(phone, identity(n)).open(table) for n in range(1, 6)]
        for n, client in enumerate(clients):
            await client.pull((0, n, 0, 5), pace=5000)
        for n, client in enumerate(clients):
            assert (await client.receive(1))[0].payload.startswith(bytes([0, n]))
        for client in clients:
            await client.receive(4)
        assert trio.current_time() < 1.0

    with_table(test)


def test_a_faster_pull_is_obeyed_at_once() -> None:
    async def test(table, phone):
        client = await FakeClient(phone, identity(5)).open(table)
        await client.pull((0, 0, 0, 5), (0, 1, 0, 5), pace=1000)
        await client.receive(2)
        await client.pull(pace=1_000_000)
        await client.receive(8)
        assert trio.current_time() < 0.2

    with_table(test)


def test_bytes_that_are_no_pull_of_a_stream_are_not_answered() -> None:
    async def test(table, phone):
        client = await FakeClient(phone, identity(5)).open(table)
        stream_id = client.opened.stream_id.to_bytes(4, "big")
        for junk in (b"", b"abc", bytes(40), stream_id, stream_id + bytes(40), phone.entropy(2000)):
            await client.socket.send_to(junk, client.server)
        with trio.move_on_after(10) as scope:
            await client.socket.receive_from()
        assert scope.cancelled_caught

    with_table(test)


def test_the_agenda_stays_short_however_many_pulls_come() -> None:
    async def test(table, phone):
        client = await FakeClient(phone, identity(5)).open(table)
        for _ in range(50):
            await client.pull((0, 0, 0, 1))
            await client.receive(1)
            assert len(table._agenda) <= 8

    with_table(test)


def test_an_abandoned_stream_is_dropped() -> None:
    async def test(table, phone):
        client = await FakeClient(phone, identity(5)).open(table)
        await client.pull((0, 0, 0, 1))
        await trio.sleep(END_S - 1)
        assert len(table) == 1
        await trio.sleep(2)
        assert len(table) == 0
        await client.pull((0, 0, 0, 1))

    with_table(test)


def test_one_peer_loses_its_own_least_recent_stream(monkeypatch) -> None:
    monkeypatch.setattr(stream_table, "MAX_STREAMS_PER_PEER", 2)

    async def test(table, phone):
        other = await FakeClient(phone, identity(9)).open(table)
        first = await FakeClient(phone, identity(5)).open(table)
        second = await FakeClient(phone, identity(5)).open(table)
        await trio.sleep(0.1)
        await first.pull((0, 0, 0, 1))
        await first.receive(1)
        third = await FakeClient(phone, identity(5)).open(table)
        assert set(table._streams) == {c.opened.stream_id for c in (other, first, third)}
        assert second.opened.stream_id not in table._streams
        await second.pull((0, 0, 0, 1))
        await trio.sleep(END_S)

    with_table(test)


def test_a_full_server_keeps_the_streams_in_use_and_refuses() -> None:
    async def test(table, phone):
        clients = [await FakeClient(phone, identity(n)).open(table) for n in (1, 2)]
        for client in clients:
            await client.pull((0, 0, 0, 1))
            await client.receive(1)
        key = identity(77).public_key
        assert open_one(table, identity(3).peer_id, key, phone) is None
        await trio.sleep(LEASE_S / 2)
        await clients[1].pull((0, 0, 0, 1))
        await trio.sleep(LEASE_S / 2 + 0.1)
        assert open_one(table, identity(3).peer_id, key, phone) is not None
        assert clients[0].opened.stream_id not in table._streams
        assert clients[1].opened.stream_id in table._streams

    with_table(test, max_streams=2)


def test_after_minutes_of_rest_a_stream_is_there_unless_others_need_its_place() -> None:
    """Those that rest give way first, the longest rest before all; those in use stay."""

    async def test(table, phone):
        clients = [
            await FakeClient(phone.net.host(f"20.0.{n}.1"), identity(1 + n)).open(table) for n in range(4)
        ]
        for client in clients:
            await client.pull((0, 0, 0, 1))
            await client.receive(1)
            await trio.sleep(1.0)
        await trio.sleep(END_S / 2)
        assert len(table) == 4
        await clients[0].pull((0, 0, 0, 1))
        await clients[0].receive(1)
        for n in range(3):
            there = SimpleNamespace(address=f"20.1.{n}.1")
            assert open_one(table, identity(50 + n).peer_id, identity(77).public_key, there) is not None
            here = [client.opened.stream_id in table._streams for client in clients]
            assert here == [True, *[False] * (n + 1), *[True] * (2 - n)]
        await clients[0].pull((0, 1, 0, 1))
        assert await clients[0].receive(1)

    with_table(test, max_streams=4)


def test_the_network_that_has_most_makes_room_even_of_streams_in_use() -> None:
    """Ids cost nothing to make: a flood of them from one network keeps nobody else out."""

    async def test(table, phone):
        flood = [await FakeClient(phone, identity(n)).open(table) for n in range(1, 9)]
        for client in flood:
            await client.pull((0, 0, 0, 1))
            await client.receive(1)
        resting = await FakeClient(phone.net.host("10.0.1.1"), identity(50)).open(table)
        for n in range(3):
            await FakeClient(phone.net.host(f"10.0.2.{n}"), identity(60 + n)).open(table)
        await trio.sleep(LEASE_S + 1)
        for client in flood:
            await client.pull((0, 0, 0, 1))
            await trio.sleep(0.01)
        for n in range(20):
            open_one(table, identity(100 + n).peer_id, identity(77).public_key, phone)
        assert resting.opened.stream_id in table._streams, "what others have is left alone"
        assert len(table) == 10
        networks = [stream.network for stream in table._streams.values()]
        assert networks.count("10.0.0.2") == 6

    with_table(test, max_streams=10)


def test_who_has_many_networks_keeps_nobody_else_out() -> None:
    """All streams of one IPv6 prefix, each from a network of its own and in use, make room for others."""

    async def test(table, phone):
        def opened(number: int, host: str) -> object:
            key = identity(77).public_key
            return open_one(table, identity(number).peer_id, key, SimpleNamespace(address=host))

        for number in range(1, 11):
            assert opened(number, f"2001:db8:0:{number}::1") is not None
        assert opened(11, "2001:db8:0:99::1") is None
        honest = [opened(20 + number, f"20.0.{number}.1") for number in range(4)]
        assert all(stream.stream_id in table._streams for stream in honest)
        assert len(table) == len(table._places._where) == 10

    with_table(test, max_streams=10)


def test_resting_streams_wake_nobody_and_keep_little() -> None:
    """No timer until they end, and no bytes of what they have sent."""
    number = 100

    async def test(table, phone):
        before = _allocated()
        clients = []
        for n in range(number):
            client = await FakeClient(phone, identity(n + 1)).open(table)
            await client.pull((0, 1, 0, 5), pace=1_000_000)
            await client.receive(5)
            client.socket.close()
            clients.append((client.opened.stream_id, client.server))
        await trio.sleep(LEASE_S + 1)
        assert len(table) == number
        assert (_allocated() - before) / number < 4500, "of which this test has a part"
        steps = Steps()
        trio.lowlevel.add_instrument(steps)
        await trio.sleep(END_S / 2)
        assert steps.number <= 2, "this test's own"
        await trio.sleep(END_S)
        assert len(table) == 0
        assert len(table._agenda) <= 8

    tracemalloc.start()
    try:
        with_table(test, max_streams=number)
    finally:
        tracemalloc.stop()


def _allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


class Steps(trio.abc.Instrument):
    def __init__(self) -> None:
        self.number = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.number += 1


def test_a_key_that_is_no_point_is_refused_and_takes_no_place() -> None:
    async def test(table, phone):
        with pytest.raises(BadMessageError):
            open_one(table, identity(3).peer_id, bytes(33), phone)
        assert len(table) == 0

    with_table(test)


def test_the_first_token_is_for_the_callers_host() -> None:
    async def test(table, phone):
        opened = open_one(table, identity(3).peer_id, identity(4).public_key, phone)
        assert opened.path_token == path_token(table._secret, opened.stream_id, "10.0.0.2", 0)

    with_table(test)


def test_a_network_that_refuses_to_send_or_receive_for_a_while_does_no_harm() -> None:
    async def test(table, phone):
        client = await FakeClient(phone, identity(5)).open(table)
        server, receive_from = table._network, table._socket.receive_from
        server.no_route = True
        await client.pull((0, 0, 0, 3))
        await trio.sleep(1)
        server.no_route = False

        async def refuse():
            table._socket.receive_from = receive_from
            raise OSError

        table._socket.receive_from = refuse
        await client.pull((0, 1, 0, 1))
        await client.pull((0, 2, 0, 1))
        assert [d.unit.segment for d in await client.receive(2)] == [1, 2]

    with_table(test)


def test_an_id_in_use_or_0_is_not_given_out() -> None:
    async def test(table, phone):
        first = open_one(table, identity(3).peer_id, identity(4).public_key, phone)
        draws = [bytes(4), first.stream_id.to_bytes(4, "big"), b"\0\0\0\7"]
        entropy = table._network.entropy
        table._network.entropy = lambda n: draws.pop(0) if n == 4 else entropy(n)
        assert open_one(table, identity(3).peer_id, identity(4).public_key, phone).stream_id == 7

    with_table(test)


class Loopback(SystemNetwork):
    """The real network of this machine, with addresses as a simulated host has them."""

    address = server = "127.0.0.1"


def test_a_disk_that_does_not_answer_holds_up_the_streams_of_its_track_alone() -> None:
    """With real threads and sockets: the event loop goes on while a read hangs."""
    track = GatedTrack()

    async def main() -> None:
        network = Loopback()
        table = StreamTable(Node.open_to_all(SERVER, network))
        await table.bind("127.0.0.1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(table.run)
            slow = await FakeClient(network, identity(5)).open(table, track)
            other = await FakeClient(network, identity(6)).open(table)
            await slow.pull((0, 3, 0, 5))
            await trio.to_thread.run_sync(track.reading.wait)
            await other.pull(*((0, n, 0, 5) for n in range(5)))
            assert len(await other.receive(25)) == 25
            track.gate.set()
            assert b"".join(d.payload for d in await slow.receive(5)) == b"\x00\x03" + SEGMENT
            slow.socket.close()
            other.socket.close()
            nursery.cancel_scope.cancel()

    try:
        trio.run(main)
    finally:
        track.gate.set()


def test_a_server_whose_disk_hangs_can_be_stopped() -> None:
    track = GatedTrack()

    async def main() -> None:
        network = Loopback()
        table = StreamTable(Node.open_to_all(SERVER, network))
        await table.bind("127.0.0.1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(table.run)
            client = await FakeClient(network, identity(5)).open(table, track)
            await client.pull((0, 3, 0, 5))
            await trio.to_thread.run_sync(track.reading.wait)
            client.socket.close()
            nursery.cancel_scope.cancel()

    try:
        trio.run(main)
    finally:
        track.gate.set()


def test_a_read_that_fails_ends_its_stream_alone_and_is_told_of(caplog) -> None:
    async def test(table, phone):
        broken = await FakeClient(phone, identity(5)).open(table, BrokenTrack())
        sound = await FakeClient(phone, identity(6)).open(table)
        await broken.pull((0, 0, 0, 5))
        await sound.pull((0, 0, 0, 5), pace=5000)
        await sound.receive(5)
        assert broken.opened.stream_id not in table._streams
        assert sound.opened.stream_id in table._streams
        assert "Input/output error" in caplog.text

    caplog.set_level(logging.INFO)
    with_table(test)


def test_a_stream_that_fails_as_none_should_ends_alone(caplog, monkeypatch) -> None:
    """Whatever is done with it: a datagram comes in, an object has been read, its turn has come."""
    for method in ("receive", "note_read", "datagrams_to_send"):
        monkeypatch.undo()

        async def test(table, phone, method=method):
            faulty = await FakeClient(phone, identity(5)).open(table)
            sound = await FakeClient(phone, identity(6)).open(table)
            real = getattr(StreamSender, method)

            def fail(sender, *args, **kwargs):
                if sender.stream_id == faulty.opened.stream_id:
                    raise ZeroDivisionError
                return real(sender, *args, **kwargs)

            monkeypatch.setattr(StreamSender, method, fail)
            await faulty.pull((0, 0, 0, 5))
            await sound.pull((0, 0, 0, 5), pace=5000)
            await sound.receive(5)
            assert set(table._streams) == {sound.opened.stream_id}

        with_table(test)
    assert caplog.text.count("a stream failed") == 3


def test_a_stream_that_went_while_it_was_read_for_is_let_go() -> None:
    async def test(table, phone):
        client = await FakeClient(phone, identity(5)).open(table)
        table._note_read(client.opened.stream_id + 1, 0, 0, is_sound=True)
        await client.pull((0, 0, 0, 1))
        await client.receive(1)

    with_table(test)


def test_a_socket_without_room_is_waited_for() -> None:
    async def test(table, phone):
        client = await FakeClient(phone, identity(5)).open(table)
        table._socket.send_now = lambda data, address: False
        send_to, waited = table._socket.send_to, []

        async def wait_and_send(data, address):
            waited.append(address)
            del table._socket.send_now
            await send_to(data, address)

        table._socket.send_to = wait_and_send
        await client.pull((0, 0, 0, 5))
        assert len(await client.receive(5)) == 5
        assert len(waited) == 1

    with_table(test)


@pytest.mark.parametrize(
    "entry", [format_peer_id(identity(5).peer_id), "10.0.0.2", "10.0.0.0/24", format_uri(TRACK_ID)]
)
def test_streams_that_are_denied_end_and_others_go_on(entry: str) -> None:
    access = Access(SERVER.peer_id)

    async def test(table, phone):
        denied = await FakeClient(phone, identity(5)).open(table)
        other = await FakeClient(phone.net.host("10.0.1.2"), identity(6)).open(table, OtherTrack())
        for client in (denied, other):
            await client.pull((1, 3, 0, 5), pace=4_000)
            await client.receive(1)
        access.rules = Rules(SERVER.peer_id, deny=(read_list([entry.encode()], DENIABLE),))
        table.drop_refused()
        assert len(table) == 1
        await other.receive(4)
        with trio.move_on_after(60):
            await denied.receive(2)  # which may have been on their way
            pytest.fail("a denied client was served what it had asked")
        with trio.move_on_after(60):
            await denied.pull((1, 4, 0, 5))
            await denied.receive(1)
            pytest.fail("a denied client was answered")

    with_table(test, access=access)


def test_a_stream_does_not_move_into_a_network_that_is_denied() -> None:
    access = Access(SERVER.peer_id)
    access.rules = Rules(SERVER.peer_id, deny=(read_list([b"10.0.1.0/24"], DENIABLE),))

    async def test(table, phone):
        client = await FakeClient(phone, identity(5)).open(table)
        client.socket = await phone.net.host("10.0.1.2").open_udp("")
        await client.pull((1, 3, 0, 5))
        with trio.move_on_after(10):
            await client.receive(1)
            pytest.fail("a denied network was answered")
        access.rules = Rules(SERVER.peer_id)
        await client.pull((1, 3, 0, 5))
        await client.receive(1)
        access.rules = Rules(SERVER.peer_id, deny=(read_list([b"10.0.1.0/24"], DENIABLE),))
        table.drop_refused()
        assert len(table) == 0

    with_table(test, access=access)
