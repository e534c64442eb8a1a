"""Who asks, who answers, when and how often."""

from __future__ import annotations

import math
from ipaddress import ip_network
from itertools import pairwise

import pytest

from lightpeer.core.lan import mdns
from lightpeer.core.lan.dns import (
    AAAA,
    ANY,
    PTR,
    SRV,
    TXT,
    A,
    Message,
    Question,
    Record,
    build_message,
    parse_message_untrusted,
)
from lightpeer.core.lan.mdns import (
    ANSWER_AFTER_S,
    GROUP,
    LEGACY_TTL_S,
    MAX_KNOWN,
    PORT,
    READ_AT_ONCE,
    READ_PER_S,
    SENDERS_SHARES,
    UNICASTS_PER_S,
    Mdns,
)
from lightpeer.core.lan.services import ALL_SERVICES, LONG_S, SERVICE, Heard, Own
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity

OWN, OTHER = (Own(Identity(bytes([n]) * 32).peer_id, None, 47474) for n in (1, 2))
LINK = (ip_network("192.168.1.0/24"), ip_network("fd00::/64"))
HOST, THEM = "192.168.1.2", ("192.168.1.3", PORT)
ASKED = Message(0, False, [Question(SERVICE, PTR)], [])


def node(own: Own | None = OWN) -> Mdns:
    return Mdns(Heard(LINK, own.name if own else None), own, HOST, bytes, 0.0)


def sent(core: Mdns) -> list[tuple[Message, object]]:
    out = []
    while (datagram := core.next_datagram()) is not None:
        out.append((parse_message_untrusted(datagram[0]), datagram[1]))
    return out


def found(core: Mdns) -> list[tuple[object, list[Contact]]]:
    out = []
    while (one := core.next_found()) is not None:
        out.append(one)
    return out


def run(core: Mdns, until: float) -> list[tuple[float, Message]]:
    """What is multicast until a time."""
    out = []
    while (now := core.next_deadline()) <= until:
        core.handle_timeout(now)
        for message, place in sent(core):
            assert place is None
            out.append((now, message))
    return out


def settled(own: Own = OWN) -> Mdns:
    core = node(own)
    run(core, 2.9)
    return core


def test_a_client_asks_and_asks_again():
    assert run(node(None), 1.5) == [(0.0, ASKED), (1.0, ASKED)]


def test_a_server_says_twice_that_it_is_there_and_asks_ever_less():
    log = run(node(), 10_000)
    assert [at for at, message in log if message.is_response] == [0.0, 1.0]
    asked = [at for at, message in log if not message.is_response]
    assert asked == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 2047, 4095, 7695]
    assert log[0][1] == Message(0, True, [], OWN.records(HOST))


@pytest.mark.parametrize(
    "question",
    [
        Question(SERVICE, PTR),
        Question(SERVICE, ANY),
        Question((b"_LOUDP2P", b"_tcp", b"local"), PTR),
        Question(OWN.name, SRV),
        Question(OWN.name, TXT),
        Question(OWN.target, A),
        Question(ALL_SERVICES, PTR),
    ],
)
def test_a_question_for_us_is_answered_to_all_after_a_moment(question):
    core = settled()
    core.receive(build_message(Message(0, False, [question])), THEM, 2.95)
    core.receive(build_message(Message(0, False, [question])), THEM, 2.95)
    assert run(core, 2.99) == [(2.95 + ANSWER_AFTER_S, Message(0, True, [], OWN.records(HOST)))]


@pytest.mark.parametrize(
    "message",
    [
        Message(0, False, [Question((b"_ipp", b"_tcp", b"local"), PTR)]),
        Message(0, False, [Question(SERVICE, A)]),
        Message(0, False),
        Message(0, False, ASKED.questions, [Record(SERVICE, PTR, LONG_S // 2, OWN.name)]),
    ],
)
def test_what_is_not_for_us_or_known_is_not_answered(message):
    core = settled()
    core.receive(build_message(message), THEM, 2.95)
    core.receive(b"junk", THEM, 2.95)
    assert run(core, 2.99) == []


def test_who_knows_little_of_us_any_more_is_answered():
    core = settled()
    old = Record(SERVICE, PTR, LONG_S // 2 - 1, OWN.name)
    other = Record(SERVICE, PTR, LONG_S, OTHER.name)
    core.receive(build_message(ASKED._replace(records=[old, other])), THEM, 2.95)
    assert len(run(core, 2.99)) == 1


@pytest.mark.parametrize(
    "question", [Question(OWN.name, SRV), Question(OWN.target, A), Question(SERVICE, ANY)]
)
def test_who_knows_our_name_and_asks_for_more_is_answered(question):
    core = settled()
    known = Record(SERVICE, PTR, LONG_S, OWN.name)
    core.receive(build_message(Message(0, False, [*ASKED.questions, question], [known])), THEM, 2.95)
    assert len(run(core, 2.99)) == (question.kind != ANY)


def test_a_client_answers_nothing():
    core = node(None)
    run(core, 0.0)
    core.receive(build_message(ASKED), THEM, 0.1)
    core.stop()
    assert run(core, 0.9) == []
    assert core.next_datagram() is None


@pytest.mark.parametrize("host", ["93.184.216.34", "127.0.0.1", "224.0.0.251", "0.0.0.0"])
def test_who_is_not_on_the_link_is_neither_answered_nor_heard(host):
    core = settled()
    core.receive(build_message(ASKED), (host, PORT), 2.95)
    core.receive(build_message(ASKED), (host, 53), 2.95)
    core.receive(build_message(Message(0, True, [], OTHER.records("192.168.1.3"))), (host, PORT), 2.95)
    assert run(core, 2.99) == []
    assert found(core) == []


def test_who_was_answered_a_moment_ago_is_not_told_again_at_once_that_we_are_there():
    core = node()
    run(core, 0.0)
    core.receive(build_message(ASKED), THEM, 0.95)
    answers = [at for at, message in run(core, 9.0) if message.is_response]
    assert answers == [1.0], "the second time answers the question too"
    core = node()
    core.handle_timeout(0.5)  # late, as the machine slept
    sent(core)
    assert [at for at, message in run(core, 9.0) if message.is_response] == [1.5]


def test_answers_to_all_are_a_second_apart_however_many_ask():
    core = settled()
    answers = []
    for n in range(100):
        now = 3.1 + n / 20
        core.receive(build_message(ASKED), THEM, now)
        answers += [at for at, message in run(core, now) if message.is_response]
    assert len(answers) <= 5
    assert min(b - a for a, b in pairwise(answers)) >= 1 - 1e-9


def test_an_older_resolver_has_its_answer_at_once_and_alone():
    core = settled()
    question = Question(SERVICE, PTR, wants_unicast=True)
    core.receive(build_message(Message(77, False, [question])), ("192.168.1.3", 40000), 2.95)
    ((message, place),) = sent(core)
    assert place == ("192.168.1.3", 40000)
    assert (message.number, message.is_response) == (77, True)
    assert message.questions == [Question(SERVICE, PTR)]
    assert {record.ttl_s for record in message.records} == {LEGACY_TTL_S}
    assert not any(record.is_unique for record in message.records)


def test_who_wants_it_alone_has_it_alone_but_not_without_end():
    core = settled()
    for _ in range(100):
        core.receive(
            build_message(Message(0, False, [Question(SERVICE, PTR, wants_unicast=True)])), THEM, 2.95
        )
    answers = sent(core)
    assert len(answers) == UNICASTS_PER_S
    assert answers[0] == (Message(0, True, [], OWN.records(HOST)), THEM)


class TestAFlood:
    """Of datagrams that cost time to read: how many are read is counted."""

    @pytest.fixture
    def read(self, monkeypatch):
        """Returns a function that has a node receive datagrams, and returns how many it has read of them."""
        count = []
        monkeypatch.setattr(
            mdns, "parse_message_untrusted", lambda data: count.append(1) or Message(0, False)
        )

        def read(core: Mdns, hosts: list[str], now: float, entries: int = 1) -> int:
            count.clear()
            data = build_message(Message(0, True, [], [OTHER.records("192.168.1.3")[0]] * entries))
            for host in hosts:
                core.receive(data, (host, PORT), now)
            return len(count)

        return read

    def test_of_one_sender_so_many_are_read_at_once_and_so_many_a_second(self, read):
        core = node()
        assert read(core, ["192.168.1.3"] * 1000, 0.0) == READ_AT_ONCE
        assert read(core, ["192.168.1.3"] * 1000, 0.5) == READ_PER_S / 2
        assert read(core, ["192.168.1.3"] * 1000, 1000.0) == READ_AT_ONCE

    def test_a_long_message_costs_as_much_as_it_says_it_has(self, read):
        assert read(node(), ["192.168.1.3"] * 1000, 0.0, entries=100) == READ_AT_ONCE / 100
        assert read(node(), ["192.168.1.3"] * 1000, 0.0, entries=0) == READ_AT_ONCE

    def test_what_says_it_has_too_much_is_not_read_at_all(self, read):
        core = node()
        core.receive(bytes(4) + b"\xff" * 8, ("192.168.1.3", PORT), 0.0)
        assert read(core, ["192.168.1.3"] * 1000, 0.0) == READ_AT_ONCE, "it has cost nothing"

    def test_of_all_together_too_whatever_addresses_they_invent(self, read):
        core = node()
        invented = [f"192.168.1.{n}" for n in range(3, 253)]
        assert sum(read(core, invented, 0.0) for _ in range(20)) <= READ_AT_ONCE * SENDERS_SHARES
        assert sum(read(core, invented, 0.0) for _ in range(20)) == 0
        read_in_a_minute = sum(read(core, invented * 2, n / 10) for n in range(600))
        assert read_in_a_minute <= (60 * READ_PER_S + READ_AT_ONCE) * SENDERS_SHARES

    def test_a_newcomer_is_read_while_another_floods(self, read):
        core = node()
        for n in range(600):
            read(core, ["192.168.1.3"] * 50, n / 10)
        assert read(core, ["192.168.1.4"] * 5, 59.9) == 5

    def test_strangers_to_the_link_cost_nobody_s_share(self, read):
        core = node()
        assert read(core, ["10.0.0.1"] * 1000, 0.0) == 0
        assert read(core, ["192.168.1.3"] * 5, 0.0) == 5


def test_on_a_link_of_ipv6_who_asks_from_its_own_address_is_answered():
    core = Mdns(Heard([ip_network("2001:db8::/64")]), OWN, "2001:db8::7", bytes, 0.0)
    run(core, 2.9)
    core.receive(build_message(ASKED), ("fe80::1", PORT), 2.95)
    ((_, answer),) = run(core, 2.99)
    assert [record.value for record in answer.records if record.kind == AAAA] == ["2001:db8::7"]
    core.receive(build_message(Message(0, True, [], OTHER.records("2001:db8::8"))), ("fe80::2", PORT), 2.99)
    assert found(core) == [(OTHER.name, [Contact(("2001:db8::8", 47474), OTHER.peer_id)])]


def test_others_are_found_and_what_is_missing_is_asked_for_once_more():
    core = settled()
    run(core, 3.9)
    pointer, *others = OTHER.records("192.168.1.3")
    core.receive(build_message(Message(0, True, [], [pointer])), THEM, 4.0)
    assert found(core) == []
    ((at, question),) = run(core, 5.0)
    assert (at, question.questions[1:]) == (5.0, [Question(OTHER.name, SRV), Question(OTHER.name, TXT)])
    core.receive(build_message(Message(0, True, [], others)), ("192.168.1.3", 9), 5.1)
    assert found(core) == [], "responses come from the port of the protocol"
    core.receive(build_message(Message(0, True, [], others)), THEM, 5.1)
    assert found(core) == [(OTHER.name, [Contact(("192.168.1.3", 47474), OTHER.peer_id)])]
    core.handle_timeout(4 + LONG_S)
    assert found(core) == [(OTHER.name, [])]


def test_what_is_known_is_said_in_the_question_within_one_packet():
    core = settled()
    owns = [Own(Identity(bytes([n]) * 32).peer_id, None, 1) for n in range(3, 33)]
    for own in owns:
        core.receive(build_message(Message(0, True, [], own.records("192.168.1.4"))), THEM, 2.95)
    ((_, question),) = run(core, 3.0)
    assert len(question.records) == MAX_KNOWN
    assert len(build_message(question)) < 1400


def test_a_goodbye_is_said():
    core = settled()
    core.stop()
    ((message, place),) = sent(core)
    assert (message.number, message.is_response, place) == (0, True, None)
    assert {record.ttl_s for record in message.records} == {0}


def test_nothing_is_due_but_the_next_question():
    assert settled().next_deadline() == 3.0
    assert node(None).next_deadline() == 0.0
    assert math.isfinite(node().next_deadline())
    assert GROUP.startswith("224.0.0.")
