"""By what a track comes: told of once for the whole, however its sources change."""

from __future__ import annotations

import pytest

from lightpeer.core.segments.events import TransportChanged
from lightpeer.core.segments.handle import PeerState
from lightpeer.core.segments.shared import Shared
from lightpeer.core.segments.source import Source
from lightpeer.core.segments.transports import Transports
from tests.core.segments.scripted import TERMS, new_shared, peer_id


class Switched(Source):
    """Is on gRPC when the test says so."""

    is_switched = False

    @property
    def on_grpc(self) -> bool:
        return self.is_switched


class Told:
    """Sources, and what was told of them."""

    def __init__(self) -> None:
        self.shared: Shared = new_shared()
        self.sources: list[Switched] = []
        self.transports = Transports(self.shared, self.sources)

    def join(self, name: str, *, on_grpc: bool = False, is_open: bool = True) -> Switched:
        source = Switched(self.shared, PeerState(peer_id(name), name), 0.0)
        source.start(TERMS if is_open else None, 0.0)
        self.sources.append(source)
        return self.switch(source, on_grpc=on_grpc)

    def switch(self, source: Switched, *, on_grpc: bool) -> Switched:
        source.is_switched = on_grpc
        self.transports.see(source)
        return source

    def events(self) -> list[object]:
        events = list(self.shared.events)
        self.shared.events.clear()
        return events


@pytest.fixture
def told() -> Told:
    return Told()


def test_without_a_source_there_is_none(told):
    assert told.transports.now == "-"
    assert told.shared.stats.transports == set()


@pytest.mark.parametrize("on_grpc", [False, True])
def test_the_first_transport_is_no_change(told, on_grpc):
    told.join("a", on_grpc=on_grpc)
    transport = "grpc" if on_grpc else "udp"
    assert told.transports.now == transport
    assert told.shared.stats.transports == {transport}
    assert told.events() == []


def test_a_change_is_told_once_and_so_is_the_way_back(told):
    source = told.join("a")
    told.switch(source, on_grpc=True)
    told.switch(source, on_grpc=True)
    assert told.events() == [TransportChanged("grpc", "a")]
    told.switch(source, on_grpc=False)
    assert told.events() == [TransportChanged("udp", "a")]
    assert told.shared.stats.transports == {"udp", "grpc"}


def test_a_track_is_on_grpc_once_all_of_its_sources_are(told):
    first, second = told.join("a"), told.join("b")
    told.switch(first, on_grpc=True)
    assert (told.transports.now, told.events()) == ("udp", [])
    assert told.shared.stats.transports == {"udp", "grpc"}, "it is counted though nobody is told"
    told.switch(second, on_grpc=True)
    assert (told.transports.now, told.events()) == ("grpc", [TransportChanged("grpc", "b")])
    told.switch(first, on_grpc=False)
    assert (told.transports.now, told.events()) == ("udp", [TransportChanged("udp", "a")])


def test_a_source_without_a_stream_is_not_on_udp(told):
    source = told.join("a", is_open=False)
    assert source.told_transport == ""
    assert told.shared.stats.transports == set()
    told.switch(source, on_grpc=True)
    assert told.shared.stats.transports == {"grpc"}
    assert told.events() == []


def test_after_its_sources_were_gone_another_transport_is_a_change(told):
    told.join("a")
    told.sources.clear()
    assert told.transports.now == "-"
    told.join("b", on_grpc=True)
    assert told.events() == [TransportChanged("grpc", "b")]


def test_a_source_that_joins_on_what_there_is_changes_nothing(told):
    told.join("a", on_grpc=True)
    told.join("b", on_grpc=True)
    assert told.events() == []
    told.join("c")
    assert told.events() == [TransportChanged("udp", "c")]
