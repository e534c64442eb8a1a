"""The public names, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lightpeer

NAMES = [
    "Hit",
    "LightpeerError",
    "PeerInfo",
    "Player",
    "PlayerEvent",
    "Settings",
    "Status",
    "SystemNetwork",
    "__version__",
    "fetch",
    "load_settings",
    "make_sink",
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


def test_importing_it_imports_nothing_heavy():
    code = "import sys, lightpeer; lightpeer.LightpeerError; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "lightpeer.errors" in modules
    assert not modules & {"trio", "h2", "argparse", "lightpeer.audio", "sounddevice", "google.protobuf"}
