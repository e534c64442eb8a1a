"""The table: what is listed can be done, and what clients send as they connect is answered."""

from __future__ import annotations

from contextlib import suppress

import pytest

from lightpeer.core.mpd.commands import RULES
from lightpeer.errors import CommandError
from tests.core.mpd.remote import Remote

PUBLIC = ["commands", "notcommands", "password", "ping", "protocol", "tagtypes"]


def named(lines: list[str]) -> list[str]:
    return [line.removeprefix("command: ") for line in lines]


def test_what_is_listed_is_what_there_is():
    remote = Remote()
    listed = named(remote.says("commands"))
    assert listed == sorted([*RULES, "close", "idle", "noidle"])
    assert remote.says("notcommands") == []


def test_without_the_password_most_is_not_listed():
    remote = Remote(password="x")
    assert named(remote.says("commands")) == sorted([*PUBLIC, "close", "idle", "noidle"])
    assert named(remote.says("notcommands")) == sorted(set(RULES).difference(PUBLIC))
    assert remote.asks("search any x") == ""


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_command_that_is_listed_is_known_and_counts_its_arguments(name):
    remote, rule = Remote().queued(), RULES[name]
    with suppress(CommandError):
        remote.says(" ".join([name, *["1"] * rule.least]))
    too_many = " ".join([name, *["1"] * (rule.most + 1)])
    if rule.most < 60:
        assert remote.fails(too_many) == (2, f'wrong number of arguments for "{name}"')
    if rule.least:
        assert remote.fails(name) == (2, f'wrong number of arguments for "{name}"')


@pytest.mark.parametrize("name", ["foo", "mount", "newpartition", "moveoutput", "kill", "config", "sticker"])
def test_what_is_not_done_is_not_known(name):
    remote = Remote()
    assert remote.fails(f"{name} x") == (5, f'unknown command "{name}"')
    assert name not in named(remote.says("commands"))
    assert remote.asks(f"{name} x") == ""


@pytest.mark.parametrize(
    "lines",
    [
        ["status", "currentsong"],  # mpc
        ["status", 'plchanges "0"', "currentsong", "outputs", "urlhandlers", "tagtypes", "stats"],  # ncmpcpp
        ["commands", "notcommands", "tagtypes", "decoders", "binarylimit 262144", "status"],  # rmpc
        ["commands", "urlhandlers", "tagtypes", "tagtypes clear", "tagtypes enable Artist Title",
         "protocol available", "status", "listpartitions", "replay_gain_status"],  # myMPD
        ["commands", "status", "currentsong", "listplaylists"],  # Home Assistant
        ["stats", "status", "tagtypes", "urlhandlers", "outputs", "listplaylists", 'lsinfo "/"'],  # Cantata
    ],
)  # fmt: skip
def test_what_clients_send_first_is_answered(lines):
    remote = Remote().queued()
    for line in lines:
        assert isinstance(remote.says(line), list)
