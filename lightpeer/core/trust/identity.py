"""Keys, and the ids of the peers that hold them.

A peer is a secp256k1 key. Its id is the first 20 bytes of SHA-256(SHA-256(compressed public key)), written as
Base58Check. The writing and the alphabet are those of a Bitcoin address. The hash is not: Bitcoin takes
RIPEMD-160(SHA-256(key)), which has 20 bytes by itself. The version byte is 0x30 instead of 0x00, so an id
begins with `L` and a Bitcoin address is refused.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import NewType

import base58

from lightpeer.core.trust._secp256k1 import Backend, load_backend
from lightpeer.errors import BadMessageError, SealError, UsageError

PeerId = NewType("PeerId", bytes)  # 20 bytes

ID_BYTES = 20
PUBLIC_KEY_BYTES = 33  # compressed
ID_VERSION = b"\x30"  # makes every id begin with "L"


@cache
def _backend() -> Backend:
    return load_backend()


class Identity:
    """A key pair. The secret is 32 bytes; it never appears in a repr or a log."""

    __slots__ = ("_secret", "peer_id", "public_key")

    def __init__(self, secret: bytes) -> None:
        """Derive the public key and id of a 32-byte secret; raise UsageError if it is out of range."""
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
        """Return the 32-byte ECDH secret with a peer's compressed key; raise BadMessageError for no point."""
        if len(public_key) != PUBLIC_KEY_BYTES:  # uncompressed and hybrid points are not used here
            raise BadMessageError("the peer's ephemeral key has an impossible size")
        try:
            return _backend().ecdh(self._secret, public_key)
        except ValueError as error:
            raise BadMessageError("the peer's ephemeral key is not a point of secp256k1") from error


def peer_id_of(public_key: bytes) -> PeerId:
    """Return the id of a 33-byte compressed public key: SHA-256(SHA-256(key))[:20]."""
    return PeerId(hashlib.sha256(hashlib.sha256(public_key).digest()).digest()[:ID_BYTES])


def format_peer_id(peer_id: PeerId) -> str:
    """Return the id as people see it: Base58Check with version 0x30, beginning with L."""
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


def signer_untrusted(signature: bytes, digest: bytes) -> PeerId:
    """Return the id of the key that made a recoverable signature; raise SealError if it is none."""
    try:
        return peer_id_of(_backend().recover(signature, digest))
    except ValueError as error:
        raise SealError("changed", "the seal is not a signature") from error
