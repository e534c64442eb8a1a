"""Multicast DNS on one interface: asks who serves there, and answers for our own service.

A client asks twice, a second apart, and is gone. A server asks again with pauses that double up to an hour,
with what it knows in the question, so that only others answer; it says twice that it is here, answers what
others ask, and says goodbye. Answers wait for 20 to 120 ms and are at least a second apart, however many ask;
those to a single host (older resolvers, and who wants it so) are bounded likewise. So is what is read: a
sender, and all of them together, may send so much a second, and a newcomer is read while others flood.

Our names contain our id, which is nobody else's, so they are used without probing for others.

The verbs: `receive`, `next_deadline`, `handle_timeout`, `next_datagram`, `next_found`.

Source: RFC 6762; section numbers below are its.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

from lightpeer.core.guard.fairness import Buckets, Fairness
from lightpeer.core.lan.dns import (
    ANY,
    PTR,
    Message,
    Question,
    build_message,
    count_entries_untrusted,
    folded,
    parse_message_untrusted,
)
from lightpeer.errors import BadMessageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.addresses import Endpoint
    from lightpeer.core.lan.dns import Name, Record
    from lightpeer.core.lan.services import Heard, Own
    from lightpeer.core.trust.contact import Contact

GROUP: Final = "224.0.0.251"
GROUP_OF_IPV6: Final = "ff02::fb"
PORT: Final = 5353
FIRST_PAUSE_S: Final = 1.0  # between questions (section 5.2)
LONGEST_PAUSE_S: Final = 3600.0
ANSWER_AFTER_S: Final = 0.02  # and up to a tenth of a second more (section 6)
ANSWER_SPREAD_S: Final = 0.1
AGAIN_S: Final = 1.0  # between multicasts of a record (section 6)
LEGACY_TTL_S: Final = 10  # what an older resolver may keep (section 6.7)
UNICASTS_PER_S: Final = 10
READ_PER_S: Final = 100  # questions and records of one sender
READ_AT_ONCE: Final = 400  # of one sender: a computer that has just come says all that it offers
SENDERS_SHARES: Final = 8  # senders at full rate in all
MAX_KNOWN: Final = 20  # answers in a question: one packet
MAX_WAITING: Final = 32  # datagrams that have not left


class Mdns:
    """Both ends of multicast DNS on one interface."""

    def __init__(
        self, heard: Heard, own: Own | None, host: str, entropy: Callable[[int], bytes], now: float
    ) -> None:
        """Begin to ask, and to say that we are here.

        Args:
            heard: the services of others.
            own: our own service, or None.
            host: our address on the interface.
            entropy: gives random bytes.
            now: the time in seconds.
        """
        self._heard = heard
        self._own = own
        self._own_records = own.records(host) if own is not None else []
        self._entropy = entropy
        self._out: deque[tuple[bytes, Endpoint | None]] = deque(maxlen=MAX_WAITING)
        self._found: deque[tuple[Name, list[Contact]]] = deque()
        self._ask_at = now
        self._pause_s = FIRST_PAUSE_S
        self._answer_at = now if own is not None else math.inf
        self._again_at = now + AGAIN_S if own is not None else math.inf  # we say it twice (section 8.3)
        self._answered_at = -math.inf
        self._unicasts = Buckets(UNICASTS_PER_S, UNICASTS_PER_S)
        self._reads = Fairness(READ_PER_S, READ_AT_ONCE, group_shares=1, total_shares=SENDERS_SHARES)

    # The verbs.

    def receive(self, data: bytes, source: Endpoint, now: float) -> None:
        """Handle a datagram; one from elsewhere, too many, or that makes no sense, is ignored.

        Args:
            data: the datagram.
            source: where it came from.
            now: the time in seconds.
        """
        if not self._heard.accepts_from(source[0]):
            return  # sent from elsewhere, or to have our answer go there (section 11)
        try:
            cost = max(1, count_entries_untrusted(data))
            if not self._reads.admit(source[0], source[0], cost, now):
                return
            message = parse_message_untrusted(data)
        except BadMessageError:
            return
        if not message.is_response:
            self._answer(message, source, now)
        elif source[1] == PORT:  # section 6
            self._found += self._heard.hear(message.records, now)
            if self._heard.is_incomplete:
                self._ask_at = min(self._ask_at, now + FIRST_PAUSE_S)

    def next_deadline(self) -> float:
        """Return when `handle_timeout` is due."""
        return min(self._ask_at, self._answer_at, self._again_at, self._heard.next_end)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        self._found += self._heard.end(now)
        if now >= self._again_at:
            self._again_at = math.inf
            self._answer_at = min(self._answer_at, max(now, self._answered_at + AGAIN_S))
        if now >= self._answer_at:
            self._answer_at = math.inf
            self._answered_at = now
            self._send(Message(0, is_response=True, records=self._own_records))
        if now >= self._ask_at:
            self._ask(now)

    def next_datagram(self) -> tuple[bytes, Endpoint | None] | None:
        """Return the next datagram and where it goes to (None: to the group); None: there is none."""
        return self._out.popleft() if self._out else None

    def next_found(self) -> tuple[Name, list[Contact]] | None:
        """Return the next service that was found, or whose contacts changed; None: there is none."""
        return self._found.popleft() if self._found else None

    def stop(self) -> None:
        """Say goodbye (section 10.1)."""
        if self._own is not None:
            gone = [record._replace(ttl_s=0) for record in self._own_records]
            self._send(Message(0, is_response=True, records=gone))

    # Asking.

    def _ask(self, now: float) -> None:
        self._ask_at = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        known = self._heard.known(now)[:MAX_KNOWN]
        self._send(Message(0, is_response=False, questions=self._heard.questions(), records=known))

    # Answering.

    def _answer(self, message: Message, source: Endpoint, now: float) -> None:
        unknown = [record for record in self._own_records if not _is_known(record, message)]
        asked = [question for question in message.questions if _asks_for(question, unknown)]
        if not asked:
            return
        if source[1] != PORT:
            legacy = [r._replace(ttl_s=LEGACY_TTL_S, is_unique=False) for r in self._own_records]
            plain = [question._replace(wants_unicast=False) for question in asked]
            self._send_to(
                source, Message(message.number, is_response=True, questions=plain, records=legacy), now
            )
        elif all(question.wants_unicast for question in asked):
            self._send_to(source, Message(0, is_response=True, records=self._own_records), now)
        else:
            share = int.from_bytes(self._entropy(2), "big") / 2**16
            soon = now + ANSWER_AFTER_S + ANSWER_SPREAD_S * share
            self._answer_at = min(self._answer_at, max(soon, self._answered_at + AGAIN_S))

    def _send_to(self, source: Endpoint, message: Message, now: float) -> None:
        if self._unicasts.level(None, now) >= 1:
            self._unicasts.take(None, 1, now)
            self._out.append((build_message(message), source))

    def _send(self, message: Message) -> None:
        self._out.append((build_message(message), None))


def _asks_for(question: Question, records: list[Record]) -> bool:
    name = folded(question.name)
    return any(name == folded(record.name) and question.kind in {record.kind, ANY} for record in records)


def _is_known(own: Record, message: Message) -> bool:
    """Return whether the asker knows a record of ours (section 7.1); of PTR records it may say so."""
    return own.kind == PTR and any(
        record.kind == PTR and record.value == own.value and record.ttl_s >= own.ttl_s / 2
        for record in message.records
    )
