"""The public names, what importing them costs, and that nothing is given that has no public name."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lightpeer
from tests.exported import unexported

NAMES = [
    "AlbumPlace",
    "AudioError",
    "BackgroundPlayer",
    "BadMessageError",
    "CapReachedError",
    "ConfigError",
    "Contact",
    "Ended",
    "Entry",
    "Fetched",
    "Hit",
    "LightClient",
    "LightpeerError",
    "LocalError",
    "MissingLibraryError",
    "Modes",
    "ModesChanged",
    "NoPeerError",
    "NotPlayed",
    "NothingFoundError",
    "Opening",
    "OutsideError",
    "Paused",
    "PeerInfo",
    "PlayerEvent",
    "PlayerEvents",
    "Playing",
    "Profile",
    "QueueChanged",
    "Rebuffering",
    "RemoteError",
    "Rendition",
    "Resumed",
    "Seeked",
    "Segment",
    "SegmentStream",
    "Settings",
    "Slowed",
    "SourceLost",
    "StateError",
    "Status",
    "StreamFailedError",
    "Switch",
    "Track",
    "TransportChanged",
    "Unpaused",
    "UsageError",
    "VerificationError",
    "Waiting",
    "__version__",
    "load_settings",
    "open_client",
]


def test_the_public_names_are_these():
    assert lightpeer.__all__ == NAMES
    assert dir(lightpeer) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there(name):
    assert getattr(lightpeer, name) is getattr(lightpeer, name)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'Speaker'"):
        lightpeer.Speaker  # noqa: B018


def test_every_class_that_a_program_gets_is_exported():
    assert unexported(lightpeer) == set()


def test_importing_it_imports_nothing_heavy():
    code = "import sys, lightpeer; lightpeer.LightpeerError; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "lightpeer.errors" in modules
    heavy = {"trio", "h2", "argparse", "lightpeer.api", "lightpeer.audio", "sounddevice", "google.protobuf"}
    assert not modules & heavy


def test_searching_touches_neither_sound_nor_server():
    code = "import sys, lightpeer; lightpeer.open_client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {".".join(name.split(".")[:2]) for name in done.stdout.split() if name.startswith("lightpeer.")}
    assert "lightpeer.client" in rooms
    assert not rooms & {f"lightpeer.{room}" for room in ("audio", "playback", "serve", "console", "cli")}
