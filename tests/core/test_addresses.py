"""Addresses, as people and records write them, and what they have to do with each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.addresses import (
    DEFAULT_PORT,
    LOCAL_GROUP,
    LOOPBACK_SCOPE,
    PRIVATE_SCOPE,
    family_of,
    format_endpoint,
    is_name,
    is_wildcard,
    joined_network,
    network_group,
    network_of,
    parse_endpoint,
    parse_endpoint_untrusted,
    scope_of,
)
from lightpeer.errors import BadMessageError


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("host", ("host", 47474)),
        ("host:5", ("host", 5)),
        ("192.0.2.1:65535", ("192.0.2.1", 65535)),
        ("2001:db8::1", ("2001:db8::1", 47474)),
        ("[2001:db8::1]", ("2001:db8::1", 47474)),
        ("[::1]:5000", ("::1", 5000)),
    ],
)
def test_endpoints(text, endpoint):
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    "text", ["", ":1", "a:", "a:0", "a:65536", "a:-1", "a:x", "a:\N{ARABIC-INDIC DIGIT TWO}"]
)
@pytest.mark.parametrize("ending", ["", " "])
def test_what_is_no_endpoint(text, ending):
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_endpoint(text + ending)


@pytest.mark.parametrize(
    "text",
    ["a b", "a:b:c", "1:2:3", "[::1", "[::1]:", "[::1]5", "[]:5", "\x1b:5", "a" * 254, "a:" + "9" * 5000],
)
def test_what_is_no_host(text):
    with pytest.raises(ValueError, match=r"^HOST:PORT"):
        parse_endpoint(text)


@pytest.mark.parametrize(("port", "least_port"), [("0", 1), ("65536", 1), ("99999", 0)])
def test_a_port_out_of_range_is_told_the_range(port, least_port):
    says = f"^HOST:PORT with a port from {least_port} to 65535$"
    with pytest.raises(ValueError, match=says):
        parse_endpoint(f"music.example.org:{port}", least_port)


def test_any_port_will_do_to_listen_on_and_none_to_connect_to():
    assert parse_endpoint("[::1]:0", least_port=0) == ("::1", 0)
    assert parse_endpoint("a", least_port=0) == ("a", DEFAULT_PORT)
    for text in ("a:x", "a:-1", "a:65536", ":0"):
        with pytest.raises(ValueError, match="HOST:PORT"):
            parse_endpoint(text, least_port=0)


@pytest.mark.parametrize("endpoint", [("192.0.2.1", 47474), ("2001:db8::1", 1), ("music.example.org", 65535)])
def test_endpoints_read_as_they_are_written(endpoint) -> None:
    assert parse_endpoint_untrusted(format_endpoint(endpoint)) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        ":1",
        "a:0",
        "a:65536",
        "a:99999999999",
        "a:0000019999999",
        "a:000001" + "1" * 5000,
        "a:080",
        "0x7f000001:80",
        "0x7f.0.0.0x1:80",
        "a.0X1:80",
        "a:x",
        "a:²",
        "a:-1",
        "::1:1",
        "[a]:1",
        "[1.2.3.4]:1",
        "[::1:1",
        "[fe80::1%eth0]:1",
        "[fe80::1]:1",
        "[::]:1",
        "0.0.0.0:1",
        "224.0.0.1:1",
        "[ff02::1]:1",
        "1.2.3:1",
        "256.1.1.1:1",
        "-a.b:1",
        "a-.b:1",
        "a..b:1",
        "a b:1",
        "a\n:1",
        "ä.de:1",
        "a" * 64 + ":1",
        "a." * 127 + "a:1",
    ],
)
def test_what_cannot_be_connected_to_is_no_endpoint(text) -> None:
    with pytest.raises(BadMessageError):
        parse_endpoint_untrusted(text)


@given(st.text(max_size=40) | st.from_regex(r"[\[\]a-f0-9:.%-]{1,40}:[0-9]{1,6}"))
def test_any_text_is_an_endpoint_or_raises_one_error(text) -> None:
    try:
        host, port = parse_endpoint_untrusted(text)
    except BadMessageError:
        return
    assert host
    assert 0 < port < 65536


@pytest.mark.parametrize(
    ("host", "wildcard"), [("", True), ("0.0.0.0", True), ("::", True), ("127.0.0.1", False), ("name", False)]
)
def test_wildcards(host, wildcard) -> None:
    assert is_wildcard(host) is wildcard


@pytest.mark.parametrize(
    ("host", "family"), [("192.0.2.1", 4), ("::1", 6), ("::ffff:192.0.2.1", 6), ("fe80::1%eth0", 6)]
)
def test_an_address_is_of_a_family_and_no_name(host, family) -> None:
    assert family_of(host) == family
    assert not is_name(host)


@pytest.mark.parametrize("host", ["music.example.org", "localhost", "1.2.3", ""])
def test_names(host) -> None:
    assert is_name(host)


@pytest.mark.parametrize(
    ("host", "scope"),
    [
        ("93.184.1.1", 0),
        ("example.org", 0),
        ("2606:2800:220::1", 0),
        ("100.64.0.9", PRIVATE_SCOPE),
        ("fe80::1", PRIVATE_SCOPE),
        ("2002:c0a8:101::1", PRIVATE_SCOPE),
        ("64:ff9b::192.168.1.1", PRIVATE_SCOPE),
        ("a.LocalHost", LOOPBACK_SCOPE),
        ("::1", LOOPBACK_SCOPE),
        ("::127.0.0.1", LOOPBACK_SCOPE),
    ],
)
def test_how_narrow_a_network_is(host, scope) -> None:
    assert scope_of(host) == scope


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:a:b:c:d", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
    ],
)
def test_a_network_is_what_one_site_is_given(host, network) -> None:
    assert network_of(host) == network


@pytest.mark.parametrize(
    ("host", "group"),
    [
        ("8.8.4.4", "8.8"),
        ("::ffff:8.8.4.4", "8.8"),
        ("2a00:1450:4001::1", "2a00:1450"),
        ("10.1.2.3", LOCAL_GROUP),
        ("127.0.0.1", LOCAL_GROUP),
        ("::1", LOCAL_GROUP),
        ("fe80::1", LOCAL_GROUP),
        ("a.b.Example.org", "example.org"),
        ("pi", "pi"),
    ],
)
def test_a_network_group_is_what_one_hand_may_hold(host, group) -> None:
    assert network_group(host) == group


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.168.1.77", "192.168.1.0/24"),
        ("::ffff:192.168.1.77", "192.168.1.0/24"),
        ("2001:db8:1:2:a:b:c:d", "2001:db8:1:2::/64"),
        ("fe80::1%wlan0", "fe80::/64"),
    ],
)
def test_a_network_that_we_are_in_is_known_by_its_prefix(host, network):
    assert joined_network(host) == network
