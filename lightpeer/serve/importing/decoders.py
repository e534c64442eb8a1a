"""Music files to PCM, block by block.

A file's format is known by its first bytes, not by its name. Ogg Opus, Ogg Vorbis, FLAC and WAV are decoded
by libopusfile, libvorbisfile, libFLAC and the standard library; all other formats, and more than two
channels, by the system's ffmpeg as a separate process. Each decoder is a context manager that gives a `Pcm`.

A file that its own decoder refuses is tried by ffmpeg, where that is installed. A damaged file gives its
sound parts, and `Pcm.damage` describes the damage once the blocks are exhausted. UnreadableError means that
nothing can be decoded.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import shutil
import struct
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any

from lightpeer.audio import _native
from lightpeer.errors import MissingLibraryError, UnreadableError
from lightpeer.serve.importing.ffmpeg import running_ffmpeg
from lightpeer.serve.importing.flac import open_flac
from lightpeer.serve.importing.pcm import SAMPLE_BYTES, NotNativeError, Pcm, to_16_bit
from lightpeer.serve.importing.stored_tags import by_mutagen

FFMPEG_S = 300.0  # without any sound from it; a disk may have to wake, and other work goes first
_BLOCK_FRAMES = 1 << 14
_MAX_COMPLAINTS_BYTES = 1 << 16
_DAMAGE = re.compile(rb"partial file|Invalid data|Error |corrupt|truncat|Header missing", re.IGNORECASE)
_RATES = range(4000, 768_001)
_SILENT_IN_OGG = frozenset({"vorbis", "oggflac"})  # kinds whose decoders take an early end for the end
_LAST_PAGE = 4  # a page's flag
_LAST_BYTES = 1 << 17  # two pages of the largest size, or tags behind the last
_CUT_SHORT = "it is cut short"
_SHORT_S = 1.0  # that a file may be shorter than it says, by an encoder's delay and padding
_STREAMED_BYTES = 0x7FFF_0000  # WAV that was written to a pipe claims this length or more
_HOLE = -3  # OP_HOLE and OV_HOLE: data is missing here, and it goes on
_NATIVE_SUFFIXES = {".opus": "Opus", ".ogg": "Ogg", ".oga": "Ogg", ".flac": "FLAC", ".wav": "WAV"}
_FFMPEG_SUFFIXES = {
    ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".alac", ".amr", ".ape", ".au", ".caf", ".dff", ".dsf",
    ".m4a", ".m4b", ".mka", ".mp2", ".mp3", ".mpc", ".spx", ".tta", ".w64", ".weba", ".wma", ".wv",
}  # fmt: skip
MUSIC_SUFFIXES = frozenset(_NATIVE_SUFFIXES) | _FFMPEG_SUFFIXES
# The errors of the wave module for broken chunks.
_WAVE_ERRORS = (wave.Error, EOFError, OSError, RuntimeError, ValueError, ZeroDivisionError, struct.error)


def sniff(path: Path) -> str:
    """Return "opus", "vorbis", "oggflac", "flac", "wav", or "other", by the file's first bytes.

    Raises:
        UnreadableError: it is empty, cannot be read, or is not of the format that its name claims.
    """
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise UnreadableError(f"it cannot be read: {error.strerror}") from error
    suffix = path.suffix.lower()
    if not start:
        raise UnreadableError("it is empty")
    if start.startswith(b"OggS"):
        for kind, magic in (("opus", b"OpusHead"), ("vorbis", b"\x01vorbis"), ("oggflac", b"\x7fFLAC")):
            if magic in start:
                return kind
        return "other"
    if start.startswith(b"fLaC") or (start.startswith(b"ID3") and suffix == ".flac"):
        return "flac"
    if start.startswith(b"RIFF") and start[8:12] == b"WAVE":
        return "wav"
    if suffix in _NATIVE_SUFFIXES and not _may_be_ffmpegs(start):
        raise UnreadableError(f"it is damaged, or no {_NATIVE_SUFFIXES[suffix]} file in spite of its name")
    return "other"


def _may_be_ffmpegs(start: bytes) -> bool:
    """Return whether a file under a wrong name is of another kind, or whether that can be tried."""
    is_known = (
        start.startswith((b"RF64", b"ID3", b"\x1aE\xdf\xa3", b"FORM", b"\xff\xfb")) or start[4:8] == b"ftyp"
    )
    return is_known or shutil.which("ffmpeg") is not None


@contextmanager
def open_pcm(path: Path, kind: str) -> Iterator[Pcm]:
    """Decode a file of this kind, as `sniff` gives it; by ffmpeg where the kind's own decoder will not do."""
    with ExitStack() as stack:
        try:
            pcm = stack.enter_context(_open_native(path, kind))
        except NotNativeError:
            pcm = stack.enter_context(_open_ffmpeg(path))
        except UnreadableError as refusal:
            try:
                pcm = stack.enter_context(_open_ffmpeg(path))
            except UnreadableError:
                raise refusal from None
        if pcm.rate not in _RATES:  # one second is held in memory
            raise UnreadableError(f"its sample rate of {pcm.rate} Hz is not that of music")
        pcm.damage = _CUT_SHORT if kind in _SILENT_IN_OGG and not _has_last_page(path) else ""
        yield pcm


def _has_last_page(path: Path) -> bool:
    """Return whether the last page of an Ogg file says that it is the last; True where none is found."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
        end = file.read()
    flags_at = end.rfind(b"OggS") + 5
    return not 5 <= flags_at < len(end) or bool(end[flags_at] & _LAST_PAGE)


def _open_native(path: Path, kind: str) -> AbstractContextManager[Pcm]:
    match kind:
        case "opus":
            return open_opus(path)
        case "vorbis":
            return _open_vorbis(path)
        case "flac" | "oggflac":
            return open_flac(path, in_ogg=kind == "oggflac")
        case "wav":
            return _open_wav(path)
        case _:
            raise NotNativeError


@contextmanager
def open_opus(path: Path, *, header_gain: bool = True) -> Iterator[Pcm]:
    """Decode Ogg Opus to float at 48 kHz: mono as it is, all else as stereo.

    Without `header_gain`, that of the identification header is not applied.
    """
    lib = _native.opusfile().libopusfile
    error = ctypes.c_int()
    file = lib.op_open_file(os.fsencode(path), ctypes.byref(error))
    if not file:
        raise UnreadableError("it is damaged: libopusfile does not find Opus in it")
    absolute_gain = 3009  # OP_ABSOLUTE_GAIN
    if not header_gain:
        lib.op_set_gain_offset(file, absolute_gain, 0)
    mono = lib.op_link_count(file) == 1 and lib.op_channel_count(file, -1) == 1
    channels = 1 if mono else 2
    buffer = (ctypes.c_float * (_BLOCK_FRAMES * channels))()

    def read() -> int:
        if mono:
            return int(lib.op_read_float(file, buffer, len(buffer), None))
        return int(lib.op_read_float_stereo(file, buffer, len(buffer)))

    pcm = Pcm(48_000, channels, iter(()), is_float=True)
    pcm.blocks = _blocks(pcm, read, buffer)
    try:
        yield pcm
    finally:
        lib.op_free(file)


def opus_links(path: Path) -> int:
    """Return how many streams are chained in an Ogg Opus file; 0 if libopusfile refuses it."""
    lib = _native.opusfile().libopusfile
    file = lib.op_open_file(os.fsencode(path), None)
    if not file:
        return 0
    links = int(lib.op_link_count(file))
    lib.op_free(file)
    return links


def _blocks(pcm: Pcm, read: Callable[[], int], buffer: Any) -> Iterator[bytes]:
    """Yield the buffer after each `read`; libopusfile and libvorbisfile share its return codes."""
    while (frames := read()) != 0:
        if frames > 0:
            yield ctypes.string_at(buffer, frames * pcm.frame_bytes)
            continue
        pcm.damage = "parts of it are damaged"
        if frames != _HOLE:
            return


@contextmanager
def _open_vorbis(path: Path) -> Iterator[Pcm]:
    binding = _native.vorbisfile()
    lib = binding.libvorbisfile
    file = ctypes.pointer(binding.OggVorbis_File())
    if lib.ov_fopen(os.fsencode(path), file) != 0:
        raise UnreadableError("it is damaged: libvorbisfile does not find Vorbis in it")
    try:
        rate, channels = _vorbis_format(lib, file)
        if channels > 2:
            raise NotNativeError
        pcm = Pcm(rate, channels, iter(()))
        buffer = ctypes.create_string_buffer(_BLOCK_FRAMES * pcm.frame_bytes)
        link = ctypes.c_int()

        def read() -> int:
            size = int(lib.ov_read(file, buffer, len(buffer), 0, SAMPLE_BYTES, 1, ctypes.byref(link)))
            if size > 0 and _vorbis_format(lib, file) != (rate, channels):
                return -1  # another stream is chained on, in another format; ffmpeg ends there too
            return size // pcm.frame_bytes if size > 0 else size

        pcm.blocks = _blocks(pcm, read, buffer)
        yield pcm
    finally:
        lib.ov_clear(file)


def _vorbis_format(lib: Any, file: Any) -> tuple[int, int]:
    info = lib.ov_info(file, -1).contents
    return int(info.rate), int(info.channels)


@contextmanager
def _open_wav(path: Path) -> Iterator[Pcm]:
    try:
        file = wave.open(os.fspath(path), "rb")  # noqa: SIM115 - closed below
    except _WAVE_ERRORS as error:
        raise NotNativeError from error  # float, compressed, extensible
    with file:
        if file.getnchannels() > 2:
            raise NotNativeError
        pcm = Pcm(file.getframerate(), file.getnchannels(), iter(()))
        pcm.blocks = _wav_blocks(file, pcm)
        yield pcm


def _wav_blocks(file: wave.Wave_read, pcm: Pcm) -> Iterator[bytes]:
    width = file.getsampwidth()
    left = file.getnframes()
    try:
        while data := file.readframes(_BLOCK_FRAMES):
            whole = len(data) - len(data) % (width * pcm.channels)
            left -= whole // (width * pcm.channels)
            yield to_16_bit(data[:whole], width)
    except _WAVE_ERRORS:
        pass
    if left > 0 and file.getnframes() * width * pcm.channels < _STREAMED_BYTES:
        pcm.damage = _CUT_SHORT


@contextmanager
def _open_ffmpeg(path: Path) -> Iterator[Pcm]:
    output = ["-map", "0:a:0", "-ac", "2", "-ar", "48000", "-f", "s16le"]
    with tempfile.TemporaryFile() as complaints, running_ffmpeg(path, output, complaints) as process:
        pcm = Pcm(48_000, 2, iter(()))
        blocks = _ffmpeg_blocks(process, complaints, pcm, _promised_s(path))
        first = next(blocks, None)
        if first is None:
            raise UnreadableError("it is damaged, or of a kind that ffmpeg does not know")
        pcm.blocks = chain([first], blocks)
        yield pcm


def _promised_s(path: Path) -> float:
    """Return how long an MP3 file says that it is, or 0: ffmpeg takes an early end for the end."""
    info = None
    with suppress(MissingLibraryError):
        info = getattr(by_mutagen(path), "info", None)
    is_said = bool(getattr(info, "bitrate_mode", 0))  # by a header; else the length follows from the size
    return float(getattr(info, "length", 0.0)) if is_said else 0.0


def _ffmpeg_blocks(
    process: subprocess.Popen[bytes], complaints: IO[bytes], pcm: Pcm, promised_s: float
) -> Iterator[bytes]:
    rest, size = b"", 0
    while data := _ffmpeg_output(process, _BLOCK_FRAMES * pcm.frame_bytes):
        size += len(data)
        rest += data
        whole = len(rest) - len(rest) % pcm.frame_bytes
        yield rest[:whole]
        rest = rest[whole:]
    status = process.wait()
    complaints.seek(0)
    if status != 0 or _DAMAGE.search(complaints.read(_MAX_COMPLAINTS_BYTES)):
        pcm.damage = "parts of it are damaged or missing"
    elif size < (promised_s - _SHORT_S) * pcm.rate * pcm.frame_bytes:
        pcm.damage = _CUT_SHORT


def _ffmpeg_output(process: subprocess.Popen[bytes], most: int) -> bytes:
    """Return what ffmpeg gives next, b"" at its end."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], FFMPEG_S)[0]:
        raise UnreadableError("it takes too long to decode")
    return os.read(process.stdout.fileno(), most)
