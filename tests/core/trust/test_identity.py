"""Keys and ids."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.trust import identity
from lightpeer.core.trust._secp256k1 import load_backend
from lightpeer.core.trust.identity import (
    Identity,
    format_peer_id,
    parse_peer_id,
    peer_id_of,
    signer_untrusted,
)
from lightpeer.errors import BadMessageError, SealError, UsageError

CLIENT = Identity(b"\x01" * 32)
SERVER = Identity(b"\x02" * 32)


def test_an_id_is_the_hash_of_the_public_key():
    assert CLIENT.peer_id == hashlib.sha256(hashlib.sha256(CLIENT.public_key).digest()).digest()[:20]
    assert peer_id_of(CLIENT.public_key) == CLIENT.peer_id


def test_an_id_is_written_with_an_l_in_front_and_read_back():
    text = format_peer_id(CLIENT.peer_id)
    assert text[0] == "L"
    assert parse_peer_id(text) == CLIENT.peer_id


@given(st.binary(min_size=20, max_size=20))
def test_every_id_begins_with_l(raw):
    assert format_peer_id(raw)[0] == "L"
    assert parse_peer_id(format_peer_id(raw)) == raw


@pytest.mark.parametrize(
    "text",
    [
        "",
        "L",
        format_peer_id(CLIENT.peer_id)[:-1],
        format_peer_id(CLIENT.peer_id)[:-1] + "!",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",  # a Bitcoin address
        format_peer_id(b"short"),
        "Lé",
    ],
)
def test_what_is_no_id(text):
    with pytest.raises(UsageError, match="not a peer id"):
        parse_peer_id(text)


@pytest.mark.parametrize("secret", [b"", b"\x01" * 31, b"\x01" * 33, bytes(32), b"\xff" * 32])
def test_what_is_no_secret_key(secret):
    with pytest.raises(UsageError):
        Identity(secret)


def test_the_secret_does_not_show():
    assert repr(CLIENT) == f"Identity({format_peer_id(CLIENT.peer_id)})"
    assert (b"\x01" * 32).hex() not in repr(CLIENT)


def test_both_ends_derive_one_secret():
    ours = CLIENT.shared_secret_untrusted(SERVER.public_key)
    assert ours == SERVER.shared_secret_untrusted(CLIENT.public_key)
    assert len(ours) == 32


def test_ephemeral_keys_that_are_none():
    point = SERVER.public_key
    uncompressed = b"\x04" + bytes(64)
    for key in (b"", point[:32], point + b"\0", uncompressed, b"\x02" + b"\xff" * 32, b"\x05" + point[1:]):
        with pytest.raises(BadMessageError):
            CLIENT.shared_secret_untrusted(key)


def test_a_signature_names_its_signer():
    digest = bytes(32)
    assert signer_untrusted(CLIENT.sign(digest), digest) == CLIENT.peer_id
    with pytest.raises(SealError, match="not a signature"):
        signer_untrusted(bytes(65), digest)


def test_the_backend_is_loaded_once(monkeypatch):
    identity._backend.cache_clear()
    loaded = []
    monkeypatch.setattr(identity, "load_backend", lambda: loaded.append(1) or load_backend())
    Identity(b"\x04" * 32)
    Identity(b"\x05" * 32)
    assert loaded == [1]
    identity._backend.cache_clear()
