"""Who a peer is, and how it proves that a message is its own.

A peer is a secp256k1 key; its id is derived from the public key as a Bitcoin
address is. Every message ends in a seal: a recoverable signature over a
preimage that names the method, the direction, the recipient, the time and the
nonce of the call, the message's index in it, and the message's bytes before the
seal. So a seal fits one place in one call only. What repeats within a call is
sent once: the call's first request carries time, nonce and signer, the first
reply carries its signer, all others the signature alone. Each of the three
forms has one length, so the seal is cut off the end before anything is parsed,
and only sealed bytes ever reach a parser.

`proto/README.md`, "Seals", is the normative text. Call order: `ClientSeals`
seals requests and opens replies of one call; `ServerSeals` first opens the
first request, which tells it who calls, then seals replies.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, NewType

import base58

from lightpeer.core.trust._secp256k1 import Backend, load_backend
from lightpeer.core.trust.replay import NOWHERE
from lightpeer.errors import BadMessageError, SealError, UsageError

if TYPE_CHECKING:
    from lightpeer.core.trust.replay import Origin, ReplayGuard

PeerId = NewType("PeerId", bytes)  # 20 bytes

ID_BYTES = 20
NONCE_BYTES = 12
PUBLIC_KEY_BYTES = 33  # compressed
ID_VERSION = b"\x30"  # makes every id begin with "L"
_DOMAIN = b"loudp2p/v1 seal"
_UNADDRESSED = PeerId(bytes(ID_BYTES))

# Field tags and lengths of Seal, in the order in which protobuf writes them.
_SEAL_TAG = 0x7A  # field 15, length-delimited
_TIME = b"\x09"
_NONCE = b"\x12\x0c"
_SIGNER = b"\x1a\x14"
_SIGNATURE = b"\x22\x41"
_SIGNATURE_BYTES = 65


@cache
def _backend() -> Backend:
    return load_backend()


class Identity:
    """A key pair. The secret is 32 bytes; it never appears in a repr or a log."""

    __slots__ = ("_secret", "peer_id", "public_key")

    def __init__(self, secret: bytes) -> None:
        """Take a 32-byte secret; raise UsageError if it is no secp256k1 secret."""
        if len(secret) != 32:
            raise UsageError("a secret key has 32 bytes")
        try:
            self.public_key = _backend().public_key(secret)
        except ValueError as error:
            raise UsageError("these 32 bytes are not a secp256k1 secret key") from error
        self._secret = secret
        self.peer_id = peer_id_of(self.public_key)

    def __repr__(self) -> str:
        return f"Identity({format_peer_id(self.peer_id)})"

    def sign(self, digest: bytes) -> bytes:
        """Return the 65-byte recoverable signature of a 32-byte digest."""
        return _backend().sign(self._secret, digest)

    def shared_secret_untrusted(self, public_key: bytes) -> bytes:
        """Return the 32-byte ECDH secret with a peer's compressed key; or raise BadMessageError."""
        if len(public_key) != PUBLIC_KEY_BYTES:  # the curve's other encodings are none of ours
            raise BadMessageError("the peer's ephemeral key has an impossible size")
        try:
            return _backend().ecdh(self._secret, public_key)
        except ValueError as error:
            raise BadMessageError("the peer's ephemeral key is not a point of secp256k1") from error


def peer_id_of(public_key: bytes) -> PeerId:
    """Return the id of a 33-byte compressed public key: SHA256(SHA256(key))[:20], DESIGN §2."""
    return PeerId(hashlib.sha256(hashlib.sha256(public_key).digest()).digest()[:ID_BYTES])


def format_peer_id(peer_id: PeerId) -> str:
    """Return the id as people see it: Base58Check, beginning with L."""
    return base58.b58encode_check(ID_VERSION + peer_id).decode()


def parse_peer_id(text: str) -> PeerId:
    """Return the id that a person wrote; raise UsageError if it is malformed."""
    try:
        raw = base58.b58decode_check(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a peer id: copy it whole, it begins with L") from error
    if len(raw) != 1 + ID_BYTES or raw[:1] != ID_VERSION:
        raise UsageError(f"{text!r} is not a peer id of this network: those begin with L")
    return PeerId(raw[1:])


class _Call:
    """What both ends of a call know of its seals."""

    def __init__(self, identity: Identity, path: str) -> None:
        self._identity = identity
        self._path = path.encode()
        self._time_ms = 0
        self._nonce = bytes(NONCE_BYTES)
        self._sent = 0
        self._received = 0

    def _digest(self, direction: int, recipient: PeerId, index: int, body: bytes) -> bytes:
        return seal_digest(direction, self._path, recipient, self._time_ms, self._nonce, index, body)


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
        """Take the full method path, the Unix time, 12 bytes of entropy, and whom it is for if known."""
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
            signer = _signer_untrusted(head)
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

    def __init__(self, identity: Identity, path: str, guard: ReplayGuard, origin: Origin = NOWHERE) -> None:
        """Take what the call is sealed for.

        Args:
            identity: ours.
            path: the full method path.
            guard: that all calls of this server share.
            origin: where the call comes from.
        """
        super().__init__(identity, path)
        self._guard = guard
        self._origin = origin
        self._recipient = identity.peer_id
        self.peer_id: PeerId | None = None

    def open_request_untrusted(self, data: bytes, now_ms: int) -> bytes:
        """Return the body of the next request; raise SealError unless it is fresh and its signer's."""
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
        signer = _signer_untrusted(head[11 + NONCE_BYTES :])
        self._guard.check_fresh(self._time_ms, now_ms, self._origin)
        try:
            _verify_untrusted(signature, self._digest(0, self._recipient, 0, body), signer)
        except SealError:
            # A caller that knows only our address cannot name us.
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


RECORD_PATH = "loudp2p.v1.PeerRecord"


def seal_record(identity: Identity, body: bytes) -> bytes:
    """Return a peer record: the body and the seal of its subject, which names no call and no recipient."""
    signature = identity.sign(_record_digest(body))
    return _join(body, _SIGNER + identity.peer_id, signature)


def open_record_untrusted(data: bytes) -> tuple[PeerId, bytes]:
    """Return a record's subject and body; raise SealError unless the subject sealed it."""
    body, head, signature = _split_untrusted(data, len(_SIGNER) + ID_BYTES)
    signer = _signer_untrusted(head)
    _verify_untrusted(signature, _record_digest(body), signer)
    return signer, body


def _record_digest(body: bytes) -> bytes:
    return seal_digest(2, RECORD_PATH.encode(), _UNADDRESSED, 0, bytes(NONCE_BYTES), 0, body)


def seal_digest(
    direction: int, path: bytes, recipient: PeerId, time_ms: int, nonce: bytes, index: int, body: bytes
) -> bytes:
    """Return the SHA-256 digest that a seal signs (proto/README.md, "Seals").

    `direction` is 0 to the server, 1 from it, 2 for a record; `index` counts the
    messages of one direction of one call.
    """
    return hashlib.sha256(
        b"".join(
            (
                _DOMAIN,
                bytes((direction, len(path))),
                path,
                recipient,
                time_ms.to_bytes(8, "big"),
                nonce,
                index.to_bytes(4, "big"),
                body,
            )
        )
    ).digest()


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


def _signer_untrusted(head: bytes) -> PeerId:
    if head[:2] != _SIGNER:
        raise SealError("missing", "the seal does not name its signer")
    return PeerId(head[2:])


def _verify_untrusted(signature: bytes, digest: bytes, signer: PeerId) -> None:
    try:
        key = _backend().recover(signature, digest)
    except ValueError as error:
        raise SealError("changed", "the seal is not a signature") from error
    if peer_id_of(key) != signer:
        raise SealError("changed", "the seal does not fit the message or the peer it is for")
