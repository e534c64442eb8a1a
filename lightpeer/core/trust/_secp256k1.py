"""The two backends for secp256k1: coincurve, and the system's libsecp256k1 through ctypes.

Android has no coincurve wheel, but Termux packages the library itself, so the few calls that are needed are
bound here by hand. Both backends take and return plain bytes: secrets of 32, compressed points of 33,
signatures of 65 (r || s || recovery id), digests of 32. They raise ValueError for an invalid key, point or
signature. Only `identity` uses this module.
"""

from __future__ import annotations

import ctypes
from typing import Protocol

from lightpeer.errors import MissingLibraryError

_CONTEXT = 0x301  # CONTEXT_SIGN | CONTEXT_VERIFY: needed before version 0.2, ignored since
_COMPRESSED = 0x102  # SECP256K1_EC_COMPRESSED
_SONAMES = (
    "libsecp256k1.so",
    "libsecp256k1.so.2",
    "libsecp256k1.so.1",
    "libsecp256k1.so.0",
    "libsecp256k1.dylib",
    "/data/data/com.termux/files/usr/lib/libsecp256k1.so",
    "/opt/homebrew/lib/libsecp256k1.dylib",
    "/usr/local/lib/libsecp256k1.dylib",
)


class Backend(Protocol):
    """The operations on the curve that `identity` needs."""

    def public_key(self, secret: bytes) -> bytes:
        """Return the compressed public key of a secret."""

    def sign(self, secret: bytes, digest: bytes) -> bytes:
        """Return a recoverable signature, deterministic as in RFC 6979."""

    def recover(self, signature: bytes, digest: bytes) -> bytes:
        """Return the compressed public key that made the signature."""

    def ecdh(self, secret: bytes, public_key: bytes) -> bytes:
        """Return SHA-256 of the shared point, compressed."""


class Coincurve:
    """The backend on platforms that have the wheel."""

    def __init__(self) -> None:
        import coincurve

        self._coincurve = coincurve

    def public_key(self, secret: bytes) -> bytes:
        """Return the compressed public key of a secret."""
        return bytes(self._coincurve.PublicKey.from_valid_secret(secret).format())

    def sign(self, secret: bytes, digest: bytes) -> bytes:
        """Return a recoverable signature, deterministic as in RFC 6979."""
        return bytes(self._coincurve.PrivateKey(secret).sign_recoverable(digest, hasher=None))

    def recover(self, signature: bytes, digest: bytes) -> bytes:
        """Return the compressed public key that made the signature."""
        try:
            key = self._coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)
        except Exception as error:  # the library raises bare Exception for some inputs
            raise ValueError("not a signature") from error
        return bytes(key.format())

    def ecdh(self, secret: bytes, public_key: bytes) -> bytes:
        """Return SHA-256 of the shared point, compressed."""
        return bytes(self._coincurve.PrivateKey(secret).ecdh(public_key))


class SystemLibrary:
    """The backend on other platforms: libsecp256k1 with its recovery and ECDH modules."""

    def __init__(self) -> None:
        self._lib = _load()
        self._lib.secp256k1_context_create.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._lib.secp256k1_context_create(_CONTEXT))

    def public_key(self, secret: bytes) -> bytes:
        """Return the compressed public key of a secret."""
        point = ctypes.create_string_buffer(64)
        if not self._lib.secp256k1_ec_pubkey_create(self._context, point, secret):
            raise ValueError("not a secret key")
        return self._compress(point)

    def sign(self, secret: bytes, digest: bytes) -> bytes:
        """Return a recoverable signature, deterministic as in RFC 6979."""
        signature = ctypes.create_string_buffer(65)
        if not self._lib.secp256k1_ecdsa_sign_recoverable(
            self._context, signature, digest, secret, None, None
        ):
            raise ValueError("not a secret key")
        compact = ctypes.create_string_buffer(64)
        recovery = ctypes.c_int()
        self._lib.secp256k1_ecdsa_recoverable_signature_serialize_compact(
            self._context, compact, ctypes.byref(recovery), signature
        )
        return compact.raw + bytes((recovery.value,))

    def recover(self, signature: bytes, digest: bytes) -> bytes:
        """Return the compressed public key that made the signature."""
        parsed = ctypes.create_string_buffer(65)
        point = ctypes.create_string_buffer(64)
        if (
            len(signature) != 65
            or signature[64] > 3
            or not self._lib.secp256k1_ecdsa_recoverable_signature_parse_compact(
                self._context, parsed, signature[:64], ctypes.c_int(signature[64])
            )
            or not self._lib.secp256k1_ecdsa_recover(self._context, point, parsed, digest)
        ):
            raise ValueError("not a signature")
        return self._compress(point)

    def ecdh(self, secret: bytes, public_key: bytes) -> bytes:
        """Return SHA-256 of the shared point, compressed."""
        point = ctypes.create_string_buffer(64)
        shared = ctypes.create_string_buffer(32)
        if not self._lib.secp256k1_ec_pubkey_parse(
            self._context, point, public_key, ctypes.c_size_t(len(public_key))
        ) or not self._lib.secp256k1_ecdh(self._context, shared, point, secret, None, None):
            raise ValueError("not a public key")
        return shared.raw

    def _compress(self, point: ctypes.Array[ctypes.c_char]) -> bytes:
        out = ctypes.create_string_buffer(33)
        size = ctypes.c_size_t(33)
        self._lib.secp256k1_ec_pubkey_serialize(self._context, out, ctypes.byref(size), point, _COMPRESSED)
        return out.raw


def _load() -> ctypes.CDLL:
    for name in _SONAMES:
        try:
            lib = ctypes.CDLL(name)
        except OSError:
            continue
        if hasattr(lib, "secp256k1_ecdsa_recover") and hasattr(lib, "secp256k1_ecdh"):  # optional modules
            return lib
    raise MissingLibraryError(
        "secp256k1",
        "signing needs coincurve or libsecp256k1: pip install coincurve, apt install libsecp256k1-1, "
        "pkg install libsecp256k1 (Termux) or brew install secp256k1",
    )


def load_backend() -> Backend:
    """Return the backend for this platform, coincurve if possible; raise MissingLibraryError if none."""
    try:
        return Coincurve()
    except ImportError:
        return SystemLibrary()
