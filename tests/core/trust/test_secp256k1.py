"""Both backends against the same expectations, and against each other."""

from __future__ import annotations

import ctypes
import hashlib
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightpeer.core.trust import _secp256k1
from lightpeer.core.trust._secp256k1 import Coincurve, SystemLibrary, load_backend
from lightpeer.errors import MissingLibraryError

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ONE = (1).to_bytes(32, "big")
TWO = (2).to_bytes(32, "big")
# The generator and its double: SEC 2, section 2.4.1.
POINT_ONE = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
POINT_TWO = bytes.fromhex("02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5")
DIGEST = hashlib.sha256(b"Satoshi Nakamoto").digest()
# The RFC 6979 vector for secp256k1 that Bitcoin implementations share: key 1, "Satoshi Nakamoto".
SIGNATURE = bytes.fromhex(
    "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
    "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
)


@pytest.fixture(params=[Coincurve, SystemLibrary])
def backend(request):
    try:
        return request.param()
    except MissingLibraryError as error:
        pytest.skip(str(error))
    except ImportError:
        pytest.skip("coincurve has no wheel here")


def test_public_keys(backend):
    assert backend.public_key(ONE) == POINT_ONE
    assert backend.public_key(TWO) == POINT_TWO


@pytest.mark.parametrize("secret", [bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32])
def test_what_is_no_secret(backend, secret):
    with pytest.raises(ValueError, match=r"(?i)secret"):
        backend.public_key(secret)
    with pytest.raises(ValueError, match=r"(?i)secret"):
        backend.sign(secret, DIGEST)


def test_signatures_are_those_of_rfc_6979(backend):
    signature = backend.sign(ONE, DIGEST)
    assert signature[:64] == SIGNATURE
    assert backend.recover(signature, DIGEST) == POINT_ONE


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        SIGNATURE,
        SIGNATURE + b"\x00\x00",
        SIGNATURE + b"\x04",
        SIGNATURE + b"\xff",
        bytes(65),
        b"\xff" * 64 + b"\x00",
        SIGNATURE[:32] + bytes(33),
        (ORDER - 1).to_bytes(32, "big") + ONE + b"\x02",  # r + order is above the field's prime
    ],
)
def test_what_is_no_signature(backend, signature):
    with pytest.raises(ValueError, match="not a signature"):
        backend.recover(signature, DIGEST)


def test_shared_secrets_agree_and_are_the_hash_of_the_compressed_point(backend):
    assert backend.ecdh(ONE, POINT_TWO) == backend.ecdh(TWO, POINT_ONE)
    assert backend.ecdh(TWO, POINT_ONE) == hashlib.sha256(POINT_TWO).digest()


@pytest.mark.parametrize("point", [b"", b"\x02", bytes(33), b"\x05" + POINT_ONE[1:], b"\x02" + b"\xff" * 32])
def test_what_is_no_point(backend, point):
    with pytest.raises(ValueError, match="public key"):
        backend.ecdh(ONE, point)


@given(secret=st.integers(1, ORDER - 1), digest=st.binary(min_size=32, max_size=32))
@settings(max_examples=25)
def test_the_backends_are_interchangeable(secret, digest):
    try:
        ours, theirs = SystemLibrary(), Coincurve()
    except (MissingLibraryError, ImportError) as error:
        pytest.skip(f"only one backend here: {error}")
    key = secret.to_bytes(32, "big")
    assert ours.public_key(key) == theirs.public_key(key)
    assert ours.sign(key, digest) == theirs.sign(key, digest)
    assert ours.ecdh(key, POINT_TWO) == theirs.ecdh(key, POINT_TWO)
    assert ours.recover(theirs.sign(key, digest), digest) == theirs.public_key(key)


def test_a_library_without_the_modules_is_passed_over(monkeypatch):
    class Bare:
        """A libsecp256k1 that was built without recovery."""

    found = {
        "bare": Bare(),
        "whole": type("Whole", (), {"secp256k1_ecdsa_recover": 1, "secp256k1_ecdh": 1})(),
    }

    def load(name):
        try:
            return found[name]
        except KeyError:
            raise OSError(name) from None

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(_secp256k1, "_SONAMES", ("absent", "bare", "whole"))
    assert _secp256k1._load() is found["whole"]
    monkeypatch.setattr(_secp256k1, "_SONAMES", ("absent", "bare"))
    with pytest.raises(MissingLibraryError, match="apt install libsecp256k1") as caught:
        _secp256k1._load()
    assert caught.value.library == "secp256k1"


def test_coincurve_comes_first_and_the_system_library_where_it_is_absent(monkeypatch):
    monkeypatch.setattr(_secp256k1, "SystemLibrary", lambda: "the system's")
    monkeypatch.setattr(_secp256k1, "Coincurve", lambda: "coincurve")
    assert load_backend() == "coincurve"
    monkeypatch.undo()
    monkeypatch.setattr(_secp256k1, "SystemLibrary", lambda: "the system's")
    monkeypatch.setitem(sys.modules, "coincurve", None)  # an import of it raises ImportError
    assert load_backend() == "the system's"
