import os
import subprocess
import sys

import pytest

from lightpeer.audio import _native
from lightpeer.errors import MissingLibraryError


def test_the_bindings_are_pyoggs_with_their_libraries_loaded():
    assert _native.opus().libopus.opus_get_version_string
    assert _native.ogg().libogg.ogg_sync_init
    assert _native.opusfile().libopusfile is not None
    assert _native.opusenc().libopusenc is not None
    assert _native.vorbisfile().libvorbisfile is not None
    assert _native.flac().PYOGG_FLAC_AVAIL


def test_importing_leaves_the_process_as_it_was_and_runs_nothing():
    program = """
import os, subprocess, sys
before = dict(os.environ)
def forbidden(*args, **kwargs): raise AssertionError(args)
subprocess.Popen = os.popen = os.system = forbidden
from lightpeer.audio import _native
_native.opus()
assert dict(os.environ) == before
names = {name.rpartition(".")[2] for name in sys.modules if "pyogg" in name}
assert names == {"_pyogg", "library_loader", "ogg", "opus"}, names
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("function", "library"),
    [
        (_native.ogg, "ogg"),
        (_native.opus, "opus"),
        (_native.opusfile, "opusfile"),
        (_native.opusenc, "opusenc"),
        (_native.vorbisfile, "vorbisfile"),
        (_native.flac, "FLAC"),
    ],
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch, function, library):
    real = _native.load_library
    monkeypatch.setattr(_native, "load_library", lambda name: None if name == library else real(name))
    with pytest.raises(MissingLibraryError, match=f"lib{library} is not installed: .*install") as caught:
        function()
    assert caught.value.library == library.lower()
    assert caught.value.exit_status == 6


@pytest.mark.parametrize(
    ("platform", "prefix", "apt", "hint"),
    [
        ("darwin", "", True, "brew install opus"),
        ("linux", "/data/data/com.termux/files/usr", True, "pkg install libopus"),
        ("linux", "", True, "apt install libopus0"),
        (
            "linux",
            "",
            False,
            "apt install libopus0 (Debian), pkg install libopus (Termux) or brew install opus",
        ),
    ],
)
def test_the_hint_fits_the_system(monkeypatch, platform, prefix, apt, hint):
    monkeypatch.setattr(_native.sys, "platform", platform)
    monkeypatch.setenv("PREFIX", prefix)
    monkeypatch.setattr(_native.Path, "exists", lambda _self: apt)
    assert hint in _native.install_hint("opus")


def test_termux_and_homebrew_keep_libraries_in_their_own_folders(monkeypatch):
    monkeypatch.setenv("PREFIX", "/data/data/com.termux/files/usr")
    monkeypatch.setattr(_native.sys, "platform", "android")
    assert _native._candidates("FLAC") == [
        "libFLAC.so.14", "libFLAC.so.12", "libFLAC.so.8", "libFLAC.so",
        "/data/data/com.termux/files/usr/lib/libFLAC.so",
    ]  # fmt: skip
    monkeypatch.setattr(_native.sys, "platform", "darwin")
    assert "/opt/homebrew/lib/libopus.dylib" in _native._candidates("opus")


def test_a_library_that_is_nowhere_is_none(monkeypatch):
    monkeypatch.setattr(_native, "_candidates", lambda _name: ["libnosuchthing.so.0", "/nowhere/lib.so"])
    assert _native._open_library("nosuchthing") is None


def test_pyogg_itself_may_be_missing(monkeypatch):
    _native._package.cache_clear()
    monkeypatch.setattr(_native.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingLibraryError, match="pip install PyOgg"):
        _native.opus()


def test_a_package_that_is_missing_is_named(monkeypatch):
    _native.require_package("mutagen")
    monkeypatch.setitem(sys.modules, "mutagen", None)
    with pytest.raises(MissingLibraryError, match=r"mutagen is not installed: pip install mutagen$"):
        _native.require_package("mutagen")


def test_a_library_too_old_for_the_bindings_is_named(monkeypatch):
    def lacking(_name):
        raise AttributeError("undefined symbol: opus_new_thing")

    monkeypatch.setattr(_native.importlib, "import_module", lacking)
    with pytest.raises(MissingLibraryError, match="libopus does not fit PyOgg"):
        _native.opus()
