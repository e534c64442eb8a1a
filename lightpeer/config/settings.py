"""The settings of a light client, each with its unit and the reason for its default.

A setting comes from the first of these that names it: a flag, the environment (`LIGHTPEER_…`), the TOML file,
the default below. All three sources go through one table of parsers, so a value means the same wherever it
stands. Only the error differs, which names the flag, the variable, or the file and key. Unknown keys are
errors, since silently ignoring a misspelt setting would be worse.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightpeer.config import parsers
from lightpeer.config.joined import JOINED_FILE, read_joined
from lightpeer.config.parsers import MAX_BOOTSTRAP, Transport
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.joined import contacts_in
from lightpeer.errors import ConfigError, LocalError, StateError, UsageError
from lightpeer.places import default_config_path, default_state_dir, path_in
from lightpeer.safe_files import read_ordinary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lightpeer.core.budget.profile import Profile

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 64 * 1024  # every setting, and a page of comments on each

_CONFIG_VARIABLE = "LIGHTPEER_CONFIG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a light client. Build it with `load_settings`, or by hand in a program."""

    state_dir: Path  # key, peers, remembered bandwidth, what was heard
    bootstrap: tuple[Contact, ...] = ()  # the first peers to ask
    lan: bool = True  # look on the local network where no known peer is reached: two packets
    cached_peers: int = 64  # remembered between runs: 40 kB, more than a light client asks in a week
    output: str = ""  # a sink (`lightpeer.audio.sinks`); empty: the sound device
    bitrate_kbps: int | None = None  # the rendition; None: as the link allows
    transport: Transport = "auto"  # auto: UDP, or gRPC where UDP is blocked
    volume_db: float = 0.0  # 0 leaves samples as they are
    profile: str = "auto"  # what playing may cost (core/budget/profile.py); auto: as the network says
    profiles: tuple[Profile, ...] = ()  # those of the person, by which built-in ones may be replaced
    networks: tuple[tuple[str, str], ...] = ()  # SSIDs or interfaces, and the names of their profiles
    normalize: bool = False  # apply the manifest's loudness gain: off, as in MPD and librespot
    cache_bytes: int | None = None  # kept on disk of what was heard; None: 200 MB, or less on a small disk

    buffer_bytes: int | None = None  # of a track, ahead and just heard; None: as the profile says

    connect_timeout_s: float = 5.0  # for a TCP handshake: three SYNs at a round trip of 400 ms
    call_timeout_s: float = 10.0  # without a byte of an answer, on a link that also carries audio
    first_contact_wait_s: float = 15.0  # for any peer, at the start: the address may be mistyped
    give_up_s: float = math.inf  # of silence, later on: only a person knows how long an outage is worth it
    peers_asked: int = 2  # by one search, the second if the first found nothing; each asks many others

    @property
    def has_caps(self) -> bool:
        """Whether any profile has a cap."""
        return any(profile.day_mb is not None or profile.month_mb is not None for profile in self.profiles)


def load_settings(
    *,
    config_path: Path | None = None,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings from flags, environment, file and defaults, in this order.

    The networks that the person has joined follow the bootstrap list.

    Args:
        config_path: the TOML file; None: that of LIGHTPEER_CONFIG, or the platform's, which may be absent.
        environ: the environment.
        overrides: settings by name, as text or as values; None means not set.

    Raises:
        UsageError: a mistake in an override.
        ConfigError: a mistake in the file or the environment.
    """
    path = config_path or path_in(environ, _CONFIG_VARIABLE)
    values = _read_file(path, must_exist=True) if path else _read_default_file(environ)
    values |= _read_environment(environ)
    for name, value in (overrides or {}).items():
        if value is not None:
            values[name] = _parse(name, value, UsageError, f"--{_FLAGS.get(name, name).replace('_', '-')}")
    if "state_dir" not in values:
        values["state_dir"] = default_state_dir(environ)
    joined, complaints = contacts_in(_joined(values["state_dir"]))
    for complaint in complaints:
        logger.warning("%s: %s", values["state_dir"] / JOINED_FILE, complaint)
    values["bootstrap"] = tuple(dict.fromkeys([*values.get("bootstrap", ()), *joined]))[:MAX_BOOTSTRAP]
    settings = Settings(**values)
    _check_profiles(settings)
    return settings


def _joined(state_dir: Path) -> list[str]:
    try:
        return read_joined(state_dir)
    except StateError as error:
        logger.warning("%s", error)
        return []


def _read_default_file(environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        path = default_config_path(environ)
    except ConfigError:  # without a home there is no file, and the state directory may be named
        return {}
    return _read_file(path, must_exist=False)


def _parse_toml(data: bytes, path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(data.decode("utf-8-sig"))  # Windows editors put a byte-order mark first
    except (ValueError, RecursionError) as error:  # a syntax error, bytes that are not UTF-8, or nesting
        raise ConfigError(f"{path} is not a TOML file: {error}") from error


def _read_file(path: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        data = read_ordinary(path, MAX_FILE_BYTES)
    except FileNotFoundError as error:
        if must_exist:
            raise ConfigError(f"there is no configuration file {path}: create it, or name another") from error
        return {}
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from error
    table = _parse_toml(data, path)
    if isinstance(table.get("profile"), dict):  # [profile.NAME]
        table["profiles"] = table.pop("profile")
    for name in table:
        if name not in _PARSERS:
            raise ConfigError(f"{path}: there is no setting {name!r}; there are {', '.join(_PARSERS)}")
    return {name: _parse(name, value, ConfigError, f"{path}: {name}") for name, value in table.items()}


def _read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for name in _PARSERS:
        variable = f"LIGHTPEER_{_FLAGS.get(name, name).upper()}"
        if text := environ.get(variable):
            values[name] = _parse(name, text, ConfigError, f"the environment's {variable}")
    return values


def _parse(name: str, value: object, error: type[LocalError], where: str) -> Any:
    """Parse one value; `where` names its source in the error."""
    try:
        return _PARSERS[name](value)
    except ValueError as reason:
        raise error(f"{where} is {_shown(value)}, but must be {reason}") from reason


def _shown(value: object) -> str:
    return repr(value) if not isinstance(value, list | tuple) else repr(", ".join(map(str, value)))


def _check_profiles(settings: Settings) -> None:
    names = {settings.profile, *(name for _, name in settings.networks)}
    if names == {"auto"}:
        return
    from lightpeer.core.budget.profile import AUTO, all_profiles

    known = all_profiles(settings.profiles)
    for name in sorted(names):
        if name not in known and name != AUTO:
            raise ConfigError(f"there is no profile {name!r}; there are {', '.join(known)}, and {AUTO}")


_FLAGS = {
    "state_dir": "state",
    "bitrate_kbps": "bitrate",
    "volume_db": "volume",
    "first_contact_wait_s": "wait",
    "give_up_s": "give_up",
}
"""The settings whose flag and variable have a shorter name."""

_PARSERS: dict[str, Callable[[object], object]] = {
    "state_dir": parsers.path,
    "bootstrap": parsers.contacts,
    "lan": parsers.switch,
    "cached_peers": parsers.whole(8, 512, "peers"),
    "output": parsers.text,
    "bitrate_kbps": parsers.bitrate,
    "transport": parsers.transport,
    "volume_db": parsers.number(-60, 20, "decibels"),
    "profile": parsers.text,
    "profiles": parsers.profiles,
    "networks": parsers.networks,
    "normalize": parsers.switch,
    "cache_bytes": parsers.cache,
    "buffer_bytes": parsers.whole(256_000, 64_000_000, "bytes"),
    "connect_timeout_s": parsers.number(0.1, 120, "seconds"),
    "call_timeout_s": parsers.number(0.1, 120, "seconds"),
    "first_contact_wait_s": parsers.seconds_or_forever,
    "give_up_s": parsers.seconds_or_forever,
    "peers_asked": parsers.whole(1, 8, "peers"),
}
assert set(_PARSERS) == {field.name for field in fields(Settings)}
