"""The C libraries under the audio modules, through PyOgg's bindings. Nothing else imports PyOgg.

PyOgg's own `__init__` imports the bindings of every codec. Its loader asks compilers and ldconfig where a
library is, which takes a second on a Pi and fails on Android, and adds the current directory to the PATH. So
its binding modules are imported here one by one, as `lightpeer.audio._pyogg.*`: a package that has PyOgg's
folder as its path, an empty `__init__`, and a loader that opens libraries by soname, then in the folders of
Termux and Homebrew. The real `pyogg` stays untouched for other code in the process.

PyOgg defines a library's functions only if the library was there at import (and those of libopus only
together with libopusfile), but `opus().libopus` and `ogg().libogg` are always the loaded libraries.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from lightpeer.errors import MissingLibraryError

_PACKAGE = "lightpeer.audio._pyogg"


class _Library(NamedTuple):
    """The names of a library: for people, for the linker, and for three package managers."""

    name: str
    abi: tuple[int, ...]  # versions of the interface that work, newest first
    apt: str
    pkg: str
    brew: str


_LIBRARIES = {
    "ogg": _Library("libogg", (0,), "libogg0", "libogg", "libogg"),
    "opus": _Library("libopus", (0,), "libopus0", "libopus", "opus"),
    "opusfile": _Library("libopusfile", (0,), "libopusfile0", "opusfile", "opusfile"),
    "opusenc": _Library("libopusenc", (0,), "libopusenc0", "libopusenc", "libopusenc"),
    "vorbis": _Library("libvorbis", (0,), "libvorbis0a", "libvorbis", "libvorbis"),
    "vorbisfile": _Library("libvorbisfile", (3,), "libvorbisfile3", "libvorbis", "libvorbis"),
    "vorbisenc": _Library("libvorbisenc", (2,), "libvorbisenc2", "libvorbis", "libvorbis"),
    "FLAC": _Library("libFLAC", (14, 12, 8), "libflac12", "libflac", "flac"),
    "ebur128": _Library("libebur128", (1,), "libebur128-1", "libebur128", "libebur128"),
    "speexdsp": _Library("libspeexdsp", (1,), "libspeexdsp1", "speexdsp", "speexdsp"),
    "portaudio": _Library("PortAudio", (2,), "libportaudio2", "portaudio", "portaudio"),
}


def ogg() -> ModuleType:
    """Return PyOgg's bindings of libogg, or raise MissingLibraryError."""
    return _bindings("ogg", "ogg")


def opus() -> ModuleType:
    """Return PyOgg's bindings of libopus, or raise MissingLibraryError."""
    return _bindings("opus", "opus")


def opusfile() -> ModuleType:
    """Return PyOgg's `opus` module with libopusfile in it, or raise MissingLibraryError."""
    return _bindings("opus", "opus", "opusfile")


def opusenc() -> ModuleType:
    """Return PyOgg's `opus` module with libopusenc in it, or raise MissingLibraryError."""
    return _bindings("opus", "opus", "opusfile", "opusenc")


def vorbisfile() -> ModuleType:
    """Return PyOgg's `vorbis` module with libvorbisfile in it, or raise MissingLibraryError."""
    return _bindings("vorbis", "vorbis", "vorbisfile")


def flac() -> ModuleType:
    """Return PyOgg's bindings of libFLAC, or raise MissingLibraryError."""
    return _bindings("flac", "FLAC")


def _bindings(module: str, *libraries: str) -> ModuleType:
    for library in ("ogg", *libraries):  # every module of PyOgg needs libogg's types
        require_library(library)
    _package()
    try:
        return importlib.import_module(f"{_PACKAGE}.{module}")
    except AttributeError as exc:  # PyOgg binds functions by name as it is imported
        name = _LIBRARIES[libraries[-1]].name
        message = f"the installed {name} does not fit PyOgg ({exc}): {install_hint(libraries[-1])}"
        raise MissingLibraryError(libraries[-1].lower(), message) from exc


def require_library(name: str) -> ctypes.CDLL:
    """Return the loaded library, or raise MissingLibraryError with the command that installs it."""
    library = load_library(name)
    if library is None:
        raise missing_library(name)
    return library


def missing_library(name: str, otherwise: str = "") -> MissingLibraryError:
    """Return the error for a library that is not installed, in the one sentence that all commands use.

    `otherwise` is an alternative to installing it, to append.
    """
    sentence = f"{_LIBRARIES[name].name} is not installed: {install_hint(name)}{otherwise}"
    return MissingLibraryError(name.lower(), sentence)


def missing_package(requirement: str, otherwise: str = "") -> MissingLibraryError:
    """Return the error for a Python package that is not installed, as `missing_library` does."""
    name = requirement.partition("==")[0]
    sentence = f"the Python package {name} is not installed: pip install {requirement}{otherwise}"
    return MissingLibraryError(name.lower(), sentence)


def require_package(name: str) -> None:
    """Import a Python package, or raise MissingLibraryError with the command that installs it."""
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise missing_package(name) from error


def load_library(name: str) -> ctypes.CDLL | None:
    """Return the loaded library, or None where it is not installed. Tests replace this."""
    return _open_library(name)


@functools.cache
def _open_library(name: str) -> ctypes.CDLL | None:
    for candidate in _candidates(name):
        try:
            return ctypes.CDLL(candidate)
        except OSError:
            continue
    return None


def _candidates(name: str) -> list[str]:
    """Return the names and paths to try, the likeliest first."""
    if sys.platform == "darwin":
        folders = ("/opt/homebrew/lib", "/usr/local/lib", "/opt/local/lib")
        return [f"lib{name}.dylib", *(f"{folder}/lib{name}.dylib" for folder in folders)]
    plain = f"lib{name}.so"
    prefix = os.environ.get("PREFIX")  # Termux: its libraries have no version in their names
    return [
        *(f"{plain}.{abi}" for abi in _LIBRARIES[name].abi),
        plain,
        *([f"{prefix}/lib/{plain}"] if prefix else []),
    ]


def install_hint(name: str) -> str:
    """Return how to install a library: this system's command, or all three where the system is unknown."""
    package = _LIBRARIES[name]
    apt, pkg, brew = (
        f"apt install {package.apt}",
        f"pkg install {package.pkg}",
        f"brew install {package.brew}",
    )
    if sys.platform == "darwin":
        return brew
    if "com.termux" in os.environ.get("PREFIX", ""):
        return pkg
    if Path("/usr/bin/apt").exists():
        return f"sudo {apt}"
    return f"{apt} (Debian), {pkg} (Termux) or {brew} (macOS)"


class _ExternalLibrary:
    """The loader that PyOgg's modules call."""

    @staticmethod
    def load(name: str, paths: object = None, tests: object = ()) -> ctypes.CDLL | None:
        del paths, tests
        return load_library(name)


@functools.cache
def _package() -> ModuleType:
    """Register the package whose modules are PyOgg's and whose loader is ours."""
    spec = importlib.util.find_spec("pyogg")  # finds without running it
    if spec is None or not spec.submodule_search_locations:
        raise missing_package("PyOgg==0.6.14a1")
    package = ModuleType(_PACKAGE, "PyOgg's binding modules, without its `__init__`.")
    package.__path__ = list(spec.submodule_search_locations)
    loader = ModuleType(f"{_PACKAGE}.library_loader")
    vars(loader).update(ExternalLibrary=_ExternalLibrary, ExternalLibraryError=OSError)
    sys.modules[package.__name__] = package
    sys.modules[loader.__name__] = loader
    return package
