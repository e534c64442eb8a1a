"""What each setting may be, from text and from TOML, and what is said of anything else."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from lightpeer.config import parsers
from lightpeer.core.budget.profile import Profile
from lightpeer.core.trust.contact import Contact, format_invite
from lightpeer.core.trust.identity import PeerId

NO_NUMBERS = [None, True, False, [], {}, "", "x", "1,5", "nan", math.nan, b"1"]


@pytest.mark.parametrize(
    ("value", "parsed"), [(0, 0.0), (10, 10.0), ("2.5", 2.5), (" 3 ", 3.0), ("1e1", 10.0), (0.25, 0.25)]
)
def test_a_number_comes_from_text_or_toml_and_may_be_at_its_limits(value, parsed):
    assert parsers.number(0, 10, "dB")(value) == parsed


@pytest.mark.parametrize("value", [*NO_NUMBERS, -0.001, 10.001, "inf", -math.inf, "11"])
def test_what_is_no_number_within_limits_is_told_with_its_unit(value):
    with pytest.raises(ValueError, match=r"^a number from 0 to 10 \(dB\)$"):
        parsers.number(0, 10, "dB")(value)


def test_seconds_may_be_forever():
    assert parsers.seconds_or_forever("forever") == math.inf
    assert parsers.seconds_or_forever("0") == 0.0
    assert parsers.seconds_or_forever(10**9) == 1e9


@pytest.mark.parametrize("value", [*NO_NUMBERS, -1, "Forever", "inf", 2e9])
def test_other_seconds_are_told(value):
    with pytest.raises(ValueError, match=r"^a number of seconds, or forever$"):
        parsers.seconds_or_forever(value)


@pytest.mark.parametrize("value", [48, 48.0, "48", "48.0", "4.8e1"])
def test_a_whole_number_is_an_int_however_it_is_written(value):
    parsed = parsers.whole(6, 510, "kbit/s")(value)
    assert (parsed, type(parsed)) == (48, int)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 48.5, "48.5", 5, 511, "inf", math.inf])
def test_what_is_no_whole_number_within_limits_is_told(value):
    with pytest.raises(ValueError, match=r"^a whole number from 6 to 510 \(kbit/s\)$"):
        parsers.whole(6, 510, "kbit/s")(value)


def test_a_bitrate_is_one_of_opus_or_auto():
    assert [parsers.bitrate(value) for value in ("auto", 6, "510")] == [None, 6, 510]
    for value in (5, 511, "best", ""):
        with pytest.raises(ValueError, match=r"from 6 to 510 \(kbit/s, or auto\)"):
            parsers.bitrate(value)


def test_a_cache_may_be_nothing_or_auto():
    assert [parsers.cache(value) for value in ("auto", 0, "10000000000000")] == [None, 0, 10**13]
    for value in (-1, 10**13 + 1, "no"):
        with pytest.raises(ValueError, match=r"\(bytes, 0 for none, or auto\)"):
            parsers.cache(value)


def test_a_transport_is_one_of_three():
    assert [parsers.transport(name) for name in ("auto", "udp", "grpc")] == ["auto", "udp", "grpc"]
    for value in ("tcp", "UDP", "", None, 1, ["udp"]):
        with pytest.raises(ValueError, match=r"^auto, udp or grpc$"):
            parsers.transport(value)


@pytest.mark.parametrize(
    "words", [(True, False), ("1", "0"), ("true", "false"), ("yes", "no"), ("on", "off")]
)
def test_a_switch_is_on_or_off_in_the_usual_words(words):
    assert [parsers.switch(word) for word in words] == [True, False]


@pytest.mark.parametrize("value", [1, 0, 1.0, "TRUE", "", "maybe", None, []])
def test_a_number_is_no_switch_though_python_takes_it_for_one(value):
    with pytest.raises(ValueError, match=r"^true or false$"):
        parsers.switch(value)


def test_text_is_text():
    assert parsers.text("") == ""
    for value in (None, 1, ["x"], b"x"):
        with pytest.raises(ValueError, match=r"^text$"):
            parsers.text(value)


def test_a_path_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/b")
    assert parsers.path("~/x") == parsers.path(Path("~/x")) == Path("/home/b/x")
    for value in ("", None, 3, ["/x"]):
        with pytest.raises(ValueError, match=r"^the path of a folder$"):
            parsers.path(value)


def test_contacts_are_a_list_or_text_with_commas():
    both = (Contact(("a", 1)), Contact(("::1", 47474)))
    assert parsers.contacts("a:1, [::1]") == both
    assert parsers.contacts(["a:1", " ", "[::1]"]) == parsers.contacts(("a:1", "[::1]")) == both
    assert parsers.contacts("") == parsers.contacts(" , ") == parsers.contacts([]) == ()


def test_an_invite_in_text_keeps_its_own_commas():
    them = PeerId(bytes(range(20)))
    addresses = [("10.0.0.1", 1), ("10.0.0.2", 2)]
    expected = tuple(Contact(address, them) for address in addresses)
    assert parsers.contacts(f"b:3, {format_invite(them, addresses)}") == (Contact(("b", 3)), *expected)


@pytest.mark.parametrize("value", [None, 1, {"a": 1}, [1], ["a", None], Path("a")])
def test_what_is_no_list_of_addresses_is_told(value):
    with pytest.raises(ValueError, match=r"^a list of HOST:PORT$"):
        parsers.contacts(value)


def test_there_may_be_only_so_many_contacts():
    most = [f"host{number}" for number in range(parsers.MAX_BOOTSTRAP)]
    assert len(parsers.contacts(most)) == parsers.MAX_BOOTSTRAP
    with pytest.raises(ValueError, match=r"^at most 16 addresses$"):
        parsers.contacts([*most, "more"])


def test_profiles_and_networks_come_from_tables():
    assert parsers.profiles({"train": {"top_kbps": 24}}) == (Profile("train", top_kbps=24),)
    assert parsers.networks({"wlan0": "train"}) == (("wlan0", "train"),)
    for parse in (parsers.profiles, parsers.networks):
        with pytest.raises(ValueError, match="table"):
            parse("train")
