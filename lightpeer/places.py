"""Where our files are: the configuration and the state, on this platform and in this environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lightpeer.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


def default_config_path(environ: Mapping[str, str]) -> Path:
    """Return the path of our configuration file on this platform; raise ConfigError without a home."""
    if sys.platform == "darwin":
        return _home(environ) / "Library/Application Support/lightpeer/config.toml"
    return (path_in(environ, "XDG_CONFIG_HOME") or _home(environ) / ".config") / "lightpeer/config.toml"


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Return the path of our state directory on this platform; raise ConfigError without a home."""
    if sys.platform == "darwin":
        return _home(environ) / "Library/Application Support/lightpeer/state"
    return (path_in(environ, "XDG_STATE_HOME") or _home(environ) / ".local/state") / "lightpeer"


def _home(environ: Mapping[str, str]) -> Path:
    if (home := path_in(environ, "HOME")) is not None:
        return home
    try:
        return Path.home()
    except RuntimeError as error:  # a user that the system does not know
        raise ConfigError("there is no home folder: set HOME, or name folders with --state") from error


def path_in(environ: Mapping[str, str], variable: str) -> Path | None:
    """Return the path that a variable names, None if it is not set; raise ConfigError if it can be none."""
    text = environ.get(variable)
    try:
        return expanded(text) if text else None
    except ValueError as error:
        raise ConfigError(f"the environment's {variable} is {text!r}, but must be {error}") from error


def expanded(text: str | Path) -> Path:
    """Return a path with `~` replaced; raise ValueError if that is nobody's home."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError("a path in the home of a user that exists") from error
