"""Where our files are, in any environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightpeer import places
from lightpeer.errors import ConfigError

HOME = {"HOME": "/home/a"}


@pytest.fixture
def linux(monkeypatch):
    monkeypatch.setattr(places.sys, "platform", "linux")


@pytest.fixture
def homeless(monkeypatch):
    """A user that the system does not know."""

    def unknown(_path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", lambda path: unknown(path) if str(path)[0] == "~" else path)
    monkeypatch.setattr(Path, "home", lambda: unknown(Path()))


@pytest.mark.parametrize(
    ("platform", "config_path", "state_dir"),
    [
        ("linux", "/home/a/.config/lightpeer/config.toml", "/home/a/.local/state/lightpeer"),
        (
            "darwin",
            "/home/a/Library/Application Support/lightpeer/config.toml",
            "/home/a/Library/Application Support/lightpeer/state",
        ),
    ],
)
def test_platform_folders(monkeypatch, platform, config_path, state_dir):
    monkeypatch.setattr(places.sys, "platform", platform)
    assert str(places.default_config_path(HOME)) == config_path
    assert str(places.default_state_dir(HOME)) == state_dir


def test_xdg_folders_go_before_those_at_home(linux):
    environ = HOME | {"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s"}
    assert str(places.default_config_path(environ)) == "/c/lightpeer/config.toml"
    assert str(places.default_state_dir(environ)) == "/s/lightpeer"


def test_a_mac_has_no_xdg_folders(monkeypatch):
    monkeypatch.setattr(places.sys, "platform", "darwin")
    environ = HOME | {"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s"}
    assert str(places.default_config_path(environ)).startswith("/home/a/Library/")
    assert str(places.default_state_dir(environ)).startswith("/home/a/Library/")


def test_a_variable_that_is_empty_is_not_set(linux, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/passwd"))
    environ = {"XDG_CONFIG_HOME": "", "XDG_STATE_HOME": "", "HOME": ""}
    assert str(places.default_config_path(environ)) == "/home/passwd/.config/lightpeer/config.toml"
    assert str(places.default_state_dir(environ)) == "/home/passwd/.local/state/lightpeer"
    assert places.path_in(environ, "HOME") is None
    assert places.path_in({}, "HOME") is None


def test_a_tilde_is_somebodys_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/b")
    assert places.path_in({"XDG_STATE_HOME": "~/s"}, "XDG_STATE_HOME") == Path("/home/b/s")
    assert places.expanded(Path("~/s")) == Path("/home/b/s")
    assert places.expanded("s/~") == Path("s/~")


def test_without_a_home_a_person_is_told_what_to_set(linux, homeless):
    for find in (places.default_config_path, places.default_state_dir):
        with pytest.raises(
            ConfigError, match="there is no home folder: set HOME, or name folders with --state"
        ):
            find({})
        assert find({"HOME": "/h"}).parts[1] == "h"


def test_an_xdg_folder_needs_no_home(linux, homeless):
    assert places.default_state_dir({"XDG_STATE_HOME": "/s"}) == Path("/s/lightpeer")


def test_the_home_of_nobody_is_named_with_its_variable(linux, homeless):
    with pytest.raises(
        ConfigError,
        match=r"the environment's XDG_STATE_HOME is '~x', but must be a path in the home of a user",
    ):
        places.default_state_dir({"XDG_STATE_HOME": "~x"})
    with pytest.raises(ConfigError, match="the environment's HOME is '~y'"):
        places.default_config_path({"HOME": "~y"})
    with pytest.raises(ValueError, match="a path in the home of a user that exists"):
        places.expanded("~x/s")
