"""`lightpeer doctor`: checks each requirement of playing, and says how to meet those that are missing.

Each check is a function that returns a finding. An error of ours becomes a finding too, as its sentence
already says what to do. Only a requirement of playing can fail; one of serving is a warning. Modules that may
be missing are imported inside the checks.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import trio

from lightpeer.console.signals import run_async
from lightpeer.errors import AudioError, ConfigError, LightpeerError, MissingLibraryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from lightpeer.config import Settings
    from lightpeer.console.output import Output

MIN_PYTHON = (3, 11)


class Verdict(Enum):
    """The outcome of a check."""

    OK = "ok"
    WARN = "warn"  # playing works without it
    FAIL = "fail"


class Finding(NamedTuple):
    """One line of the diagnosis."""

    name: str
    verdict: Verdict
    text: str


def diagnose(load: Callable[[], Settings], output: Output, config: str | None = None) -> int:
    """Check everything, and print a line for each finding; return 0 if playing is possible, else 1.

    Args:
        load: loads the settings, which may fail.
        output: prints the findings.
        config: the configuration file that the command line names, if any.
    """
    return run_async(lambda: _diagnose(load, output, config))


async def _diagnose(load: Callable[[], Settings], output: Output, config: str | None) -> int:
    worst = 0
    async for name, verdict, text in _examine(load, config):
        line = f"{verdict.value:4}  {name}: {text}"
        output.prose("check", line, indent=6, name=name, verdict=verdict.value, message=text)
        worst |= verdict is Verdict.FAIL
    summary = "cannot play: fix the failed checks above" if worst else "ready to play"
    output.prose("diagnosis", summary, playable=not worst, message=summary)
    return int(worst)


async def _examine(load: Callable[[], Settings], config: str | None) -> AsyncIterator[Finding]:
    yield check_python()
    try:
        settings = load()
    except LightpeerError as error:
        yield Finding("configuration", Verdict.FAIL, str(error))
        return
    yield check_configuration(config)
    yield check_state(settings.state_dir)
    yield check_keys()
    libraries = [check_library(library, needed) for library, needed in _LIBRARIES]
    for finding in libraries:
        yield finding
    if all(finding.verdict is not Verdict.FAIL for finding in libraries):
        yield check_pyogg()
    yield await check_sound(settings.output)
    yield check_clock(time.time())
    yield check_fts5()
    yield check_mutagen()
    yield check_ffmpeg()
    if settings.lan:
        yield await check_local_network()
    for (host, port), _ in settings.bootstrap:
        yield await check_address(host, port, settings.connect_timeout_s)
    yield await check_peers(settings)


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Check the interpreter's version."""
    text = ".".join(map(str, version))
    if version >= MIN_PYTHON:
        return Finding("python", Verdict.OK, text)
    return Finding("python", Verdict.FAIL, f"{text} is too old: install Python 3.11 or later")


def check_configuration(config: str | None = None) -> Finding:
    """Report the configuration file, which has been loaded by now."""
    from lightpeer.places import default_config_path

    try:
        path = Path(config or os.environ.get("LIGHTPEER_CONFIG") or default_config_path(os.environ))
    except ConfigError:
        return Finding("configuration", Verdict.OK, "defaults (there is no home folder)")
    return Finding("configuration", Verdict.OK, f"{path}" if path.exists() else f"defaults (no {path})")


def check_state(state_dir: Path) -> Finding:
    """Check that the state directory can be written, and that its key, if any, can be read."""
    try:
        _use_state(state_dir)
    except MissingLibraryError:  # signatures are checked next
        pass
    except LightpeerError as error:
        return Finding("state", Verdict.FAIL, str(error))
    except OSError as error:
        text = f"cannot write to {state_dir} ({error.strerror}): choose another with --state"
        return Finding("state", Verdict.FAIL, text)
    return Finding("state", Verdict.OK, str(state_dir))


def _use_state(state_dir: Path) -> None:
    from lightpeer.state.files import KEY_FILE, ensure_state_dir, load_or_create_identity

    ensure_state_dir(state_dir)
    with tempfile.TemporaryFile(dir=state_dir):
        pass
    if (state_dir / KEY_FILE).exists():
        load_or_create_identity(state_dir)


def check_keys() -> Finding:
    """Check that there is a library for signatures."""
    from lightpeer.core.trust._secp256k1 import load_backend

    try:
        backend = load_backend()
    except LightpeerError as error:
        return Finding("signatures", Verdict.FAIL, str(error))
    return Finding("signatures", Verdict.OK, type(backend).__name__.lower())


_SERVING = "serving"
_LIBRARIES = [
    ("ogg", "playing"),
    ("opus", "playing"),
    ("opusfile", _SERVING),
    ("opusenc", _SERVING),
    ("ebur128", _SERVING),
    ("portaudio", "the sound device"),
]


def check_library(library: str, needed_by: str) -> Finding:
    """Check that a shared library can be loaded."""
    from lightpeer.audio import _native

    try:
        _native.require_library(library)
    except MissingLibraryError as error:
        verdict = Verdict.FAIL if needed_by == "playing" else Verdict.WARN
        return Finding(f"lib{library}", verdict, f"{error} (needed by {needed_by})")
    return Finding(f"lib{library}", Verdict.OK, f"found (needed by {needed_by})")


def check_pyogg() -> Finding:
    """Check that PyOgg is installed and fits the libraries, which have been found."""
    from lightpeer.audio import _native

    try:
        _native.opus()
    except MissingLibraryError as error:
        return Finding("PyOgg", Verdict.FAIL, str(error))
    return Finding("PyOgg", Verdict.OK, "found (needed by playing)")


async def check_sound(output: str) -> Finding:
    """Open the output that `play` would use, if it is the sound device."""
    from lightpeer.audio.outputs import make_sink
    from lightpeer.core.content.manifest import SAMPLE_RATE

    if output.partition(":")[0] not in {"", "sounddevice"}:
        return Finding("sound", Verdict.OK, f"goes to {output}")
    try:
        sink = make_sink(output or None)
        try:
            await sink.open(SAMPLE_RATE, 2)
        finally:
            await sink.aclose()
    except AudioError as error:
        return Finding("sound", Verdict.FAIL, str(error))
    return Finding("sound", Verdict.OK, "the sound device opens")


def check_clock(now_s: float) -> Finding:
    """Check that the clock is not behind this program's installation, as on a Pi that has just started."""
    installed_s = Path(__file__).stat().st_mtime
    shown = time.strftime("%Y-%m-%d %H:%M", time.gmtime(now_s))
    if now_s < installed_s:
        text = f"{shown} UTC is in the past: set it, or wait for network time; peers' time is used until then"
        return Finding("clock", Verdict.WARN, text)
    return Finding("clock", Verdict.OK, f"{shown} UTC")


def check_fts5() -> Finding:
    """Check that SQLite has the full-text index that serving needs."""
    try:
        import sqlite3

        with sqlite3.connect(":memory:") as database:
            database.execute("CREATE VIRTUAL TABLE t USING fts5(x)")
        database.close()
    except (ImportError, sqlite3.Error) as error:
        return Finding("full-text index", Verdict.WARN, f"SQLite lacks FTS5 ({error}), which serving needs")
    return Finding("full-text index", Verdict.OK, "SQLite has FTS5 (needed by serving)")


def check_mutagen() -> Finding:
    """Check for mutagen, which reads the tags of music files."""
    from lightpeer.audio import _native

    try:
        _native.require_package("mutagen")
    except MissingLibraryError as error:
        return Finding("mutagen", Verdict.WARN, f"{error} (needed by serving)")
    return Finding("mutagen", Verdict.OK, "found (needed by serving)")


def check_ffmpeg() -> Finding:
    """Check for ffmpeg, which serving uses for files of other formats."""
    if path := shutil.which("ffmpeg"):
        return Finding("ffmpeg", Verdict.OK, f"{path} (used by serving)")
    text = (
        "not installed: needed only to serve files other than Ogg, FLAC and WAV "
        "(apt, pkg or brew install ffmpeg)"
    )
    return Finding("ffmpeg", Verdict.WARN, text)


async def check_address(host: str, port: int, timeout_s: float) -> Finding:
    """Check that a bootstrap address accepts a connection, and how soon.

    Args:
        host: its host.
        port: its port.
        timeout_s: how long to wait, in seconds.
    """
    from lightpeer.core.addresses import format_endpoint
    from lightpeer.net.reasons import unreached_by
    from lightpeer.net.system import SystemNetwork
    from lightpeer.peering.reasons import unreached_sentence

    name = f"bootstrap {format_endpoint((host, port))}"
    began = trio.current_time()
    try:
        with trio.fail_after(timeout_s):
            stream = await SystemNetwork().connect_tcp(host, port)
    except trio.TooSlowError:
        return Finding(name, Verdict.WARN, f"no answer within {timeout_s:g} s: is it the right address?")
    except OSError as error:
        unreached = unreached_by(error)
        if unreached is None:
            return Finding(name, Verdict.WARN, f"{error}: is it the right address?")
        return Finding(name, Verdict.WARN, ": ".join(unreached_sentence(unreached, (host, port))))
    rtt_ms = (trio.current_time() - began) * 1000
    await trio.aclose_forcefully(stream)
    return Finding(name, Verdict.OK, f"connected in {rtt_ms:.0f} ms")


async def check_local_network() -> Finding:
    """Look for peers on the local network."""
    from lightpeer.client.candidates import LOOK_S
    from lightpeer.net.system import SystemNetwork

    async with SystemNetwork().lan() as lan:
        if not lan.is_looking:
            return Finding("local network", Verdict.WARN, "there is none that carries multicasts")
        with trio.move_on_after(LOOK_S):
            await trio.sleep_forever()
        count = len({contact.peer_id for contact in lan.contacts})
    text = f"{count} peer{'s' * (count != 1)} found there" if count else "no peer answers there"
    return Finding("local network", Verdict.OK, text)


async def check_peers(settings: Settings) -> Finding:
    """Check that a peer answers, as every command needs one."""
    from lightpeer.client.client import open_client
    from lightpeer.net.system import SystemNetwork

    try:
        async with open_client(settings, SystemNetwork()) as client:
            finding = Finding("peers", Verdict.OK, f"{len(await client.peers())} known")
    except* LightpeerError as group:  # from the client's nursery
        finding = Finding("peers", Verdict.FAIL, str(group.exceptions[0]))
    return finding
