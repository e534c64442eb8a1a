"""Seals, by which a peer proves that a message is its own.

Every message ends in a seal: a recoverable signature over a preimage that names the method, the direction,
the recipient, the time and nonce of the call, the message's index in it, and the message's bytes before the
seal. So a seal is valid in one place of one call only. Fields that would repeat within a call are sent once:
the first request carries time, nonce and signer, the first reply its signer, all other messages the
signature alone. Each of the three forms has one length, so the seal is cut off the end before anything is
parsed, and only sealed bytes reach a parser.

`proto/README.md`, "Seals", is the normative text. Call order: `ClientSeals` seals requests and opens replies
of one call. `ServerSeals` opens the first request, which names the caller, then seals replies.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from lightpeer.core.trust.identity import ID_BYTES, Identity, PeerId, signer_untrusted
from lightpeer.errors import SealError

if TYPE_CHECKING:
    from lightpeer.core.trust.replay import Origin, ReplayGuard

NONCE_BYTES = 12
RECORD_PATH = "loudp2p.v1.PeerRecord"

_DOMAIN = b"loudp2p/v1 seal"
_UNADDRESSED = PeerId(bytes(ID_BYTES))

# Field tags and lengths of Seal, in the order in which protobuf writes them.
_SEAL_TAG = 0x7A  # field 15, length-delimited
_TIME = b"\x09"
_NONCE = b"\x12\x0c"
_SIGNER = b"\x1a\x14"
_SIGNATURE = b"\x22\x41"
_SIGNATURE_BYTES = 65


class _Place(NamedTuple):
    """The one place where a seal is valid.

    Attributes:
        direction: 0 to the server, 1 from it, 2 for a record.
        path: the full method path.
        recipient: the receiver's id, or zeros while it is unknown.
        time_ms: the Unix time of the call.
        nonce: the call's, 12 bytes.
        number: counts the messages of one direction of the call.
    """

    direction: int
    path: bytes
    recipient: PeerId
    time_ms: int = 0
    nonce: bytes = bytes(NONCE_BYTES)
    number: int = 0

    def digest(self, body: bytes) -> bytes:
        """Return the SHA-256 digest that the seal of a body signs (proto/README.md, "Seals")."""
        return hashlib.sha256(
            b"".join(
                (
                    _DOMAIN,
                    bytes((self.direction, len(self.path))),
                    self.path,
                    self.recipient,
                    self.time_ms.to_bytes(8, "big"),
                    self.nonce,
                    self.number.to_bytes(4, "big"),
                    body,
                )
            )
        ).digest()


class _Call:
    """The part of a call's seals that both ends share."""

    def __init__(self, identity: Identity, path: str) -> None:
        self._identity = identity
        self._path = path.encode()
        self._time_ms = 0
        self._nonce = bytes(NONCE_BYTES)
        self._sent = 0
        self._received = 0

    def _digest(self, direction: int, recipient: PeerId, index: int, body: bytes) -> bytes:
        return _Place(direction, self._path, recipient, self._time_ms, self._nonce, index).digest(body)


class ClientSeals(_Call):
    """The calling side of one call. `peer_id` is the answering peer's, once known."""

    def __init__(
        self,
        identity: Identity,
        path: str,
        *,
        time_ms: int,
        nonce: bytes,
        recipient: PeerId | None = None,
    ) -> None:
        """Begin a call.

        Args:
            identity: ours.
            path: the full method path.
            time_ms: the Unix time.
            nonce: 12 bytes of entropy, new for each call.
            recipient: the id of the peer that is called; None: unknown.
        """
        super().__init__(identity, path)
        self._time_ms = time_ms
        self._nonce = nonce
        self.peer_id = recipient
        self._recipient = recipient or _UNADDRESSED

    def seal_request(self, body: bytes) -> bytes:
        """Return the next request of the call: the body (a message without its seal) and its seal."""
        signature = self._identity.sign(self._digest(0, self._recipient, self._sent, body))
        head = b""
        if self._sent == 0:
            time = self._time_ms.to_bytes(8, "little")
            head = _TIME + time + _NONCE + self._nonce + _SIGNER + self._identity.peer_id
        self._sent += 1
        return _join(body, head, signature)

    def open_reply_untrusted(self, data: bytes) -> bytes:
        """Return the body of the next reply; raise SealError unless the called peer sealed it for us."""
        first = self._received == 0
        body, head, signature = _split_untrusted(data, len(_SIGNER) + ID_BYTES if first else 0)
        if first:
            signer = _named_untrusted(head)
            if self.peer_id not in (None, signer):
                raise SealError("foreign", "the reply is sealed by another peer than the one called")
            self.peer_id = signer
        assert self.peer_id is not None
        digest = self._digest(1, self._identity.peer_id, self._received, body)
        _verify_untrusted(signature, digest, self.peer_id)
        self._received += 1
        return body


class ServerSeals(_Call):
    """The answering side of one call. `peer_id` is the caller's, once its first request is opened."""

    _HEAD_BYTES = len(_TIME) + 8 + len(_NONCE) + NONCE_BYTES + len(_SIGNER) + ID_BYTES

    def __init__(self, identity: Identity, path: str, guard: ReplayGuard, origin: Origin) -> None:
        """Begin to answer a call.

        Args:
            identity: ours.
            path: the full method path.
            guard: refuses replays; shared by all calls of this server.
            origin: the network that the call comes from.
        """
        super().__init__(identity, path)
        self._guard = guard
        self._origin = origin
        self._recipient = identity.peer_id
        self.peer_id: PeerId | None = None

    def open_request_untrusted(self, data: bytes, now_ms: int) -> bytes:
        """Return the body of the next request; raise SealError unless it is fresh and validly sealed."""
        if self.peer_id is None:
            return self._open_first_untrusted(data, now_ms)
        body, _, signature = _split_untrusted(data, 0)
        _verify_untrusted(signature, self._digest(0, self._recipient, self._received, body), self.peer_id)
        self._received += 1
        return body

    def _open_first_untrusted(self, data: bytes, now_ms: int) -> bytes:
        body, head, signature = _split_untrusted(data, self._HEAD_BYTES)
        if head[:1] != _TIME or head[9:11] != _NONCE:
            raise SealError("missing", "the message does not end in a seal")
        self._time_ms = int.from_bytes(head[1:9], "little")
        self._nonce = head[11 : 11 + NONCE_BYTES]
        signer = _named_untrusted(head[11 + NONCE_BYTES :])
        self._guard.check_fresh(self._time_ms, now_ms, self._origin)
        try:
            _verify_untrusted(signature, self._digest(0, self._recipient, 0, body), signer)
        except SealError:
            # A caller that knows our address but not our id seals for nobody in particular.
            self._recipient = _UNADDRESSED
            _verify_untrusted(signature, self._digest(0, self._recipient, 0, body), signer)
        self._guard.remember(signer + self._nonce, self._time_ms, now_ms, self._origin)
        self.peer_id = signer
        self._received = 1
        return body

    def seal_reply(self, body: bytes) -> bytes:
        """Return the next reply of the call: the body (a message without its seal) and its seal."""
        assert self.peer_id is not None, "a reply needs a request"
        signature = self._identity.sign(self._digest(1, self.peer_id, self._sent, body))
        head = _SIGNER + self._identity.peer_id if self._sent == 0 else b""
        self._sent += 1
        return _join(body, head, signature)


def seal_record(identity: Identity, body: bytes) -> bytes:
    """Return a peer record: the body and the seal of its subject, which names no call and no recipient."""
    signature = identity.sign(_record_digest(body))
    return _join(body, _SIGNER + identity.peer_id, signature)


def open_record_untrusted(data: bytes) -> tuple[PeerId, bytes]:
    """Return a record's subject and body; raise SealError unless the subject sealed it."""
    body, head, signature = _split_untrusted(data, len(_SIGNER) + ID_BYTES)
    signer = _named_untrusted(head)
    _verify_untrusted(signature, _record_digest(body), signer)
    return signer, body


def _record_digest(body: bytes) -> bytes:
    return _Place(2, RECORD_PATH.encode(), _UNADDRESSED).digest(body)


def _join(body: bytes, head: bytes, signature: bytes) -> bytes:
    size = len(head) + len(_SIGNATURE) + _SIGNATURE_BYTES
    return b"".join((body, bytes((_SEAL_TAG, size)), head, _SIGNATURE, signature))


def _split_untrusted(data: bytes, head_bytes: int) -> tuple[bytes, bytes, bytes]:
    size = head_bytes + len(_SIGNATURE) + _SIGNATURE_BYTES
    start = len(data) - size - 2
    head_end = start + 2 + head_bytes
    if (
        start < 0
        or data[start] != _SEAL_TAG
        or data[start + 1] != size
        or data[head_end : head_end + 2] != _SIGNATURE
    ):
        raise SealError("missing", "the message does not end in a seal")
    return data[:start], data[start + 2 : head_end], data[head_end + 2 :]


def _named_untrusted(head: bytes) -> PeerId:
    if head[:2] != _SIGNER:
        raise SealError("missing", "the seal does not name its signer")
    return PeerId(head[2:])


def _verify_untrusted(signature: bytes, digest: bytes, signer: PeerId) -> None:
    if signer_untrusted(signature, digest) != signer:
        raise SealError("changed", "the seal does not fit the message or the peer it is for")
