"""`lightpeer fetch`: tracks as files, one or many, or on standard output.

Files get their names from `-o`, or from a template (`naming.py`). What is there already is not fetched again,
and nothing else is replaced unless that is asked for. Of several tracks, those that cannot be had are told
of, the others are fetched, and the status is that of the first failure.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import trio

from lightpeer.cli.choosing import Chosen, chosen
from lightpeer.cli.commands import checked_target, silence_of
from lightpeer.cli.naming import Named, kept_kbps, named_tracks
from lightpeer.cli.progress import Progress
from lightpeer.client.metered import open_metered
from lightpeer.console.output import Output
from lightpeer.console.signals import SIGNALLED, run_async
from lightpeer.core.content.names import ALBUM, ONE_TRACK, check_file, check_template, file_name
from lightpeer.core.content.uri import is_uri
from lightpeer.errors import (
    LightpeerError,
    NoPeerError,
    NothingFoundError,
    RemoteError,
    StateError,
    UsageError,
)
from lightpeer.net.system import SystemNetwork

if TYPE_CHECKING:
    import argparse

    from lightpeer.client.client import Client
    from lightpeer.client.fetch import Fetched
    from lightpeer.config import Settings

STDOUT = "-"
OGG = b"OggS"  # how every rendition begins
_OF_ONE = (NothingFoundError, NoPeerError, RemoteError)  # of several tracks others may be had all the same


class Target(NamedTuple):
    """Where tracks go.

    Attributes:
        file: the file of the one track; `-`: standard output; None: named by the template.
        folder: the folder for those that are named.
        template: names them.
        silence_s: how long to wait for data.
        replaces: whether a file of that name is replaced.
    """

    file: str | None
    folder: Path
    template: str
    silence_s: float
    replaces: bool = False


def run(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Run the command; return its exit status."""
    target = _target(arguments)
    if arguments.out == STDOUT:
        if output.json:
            raise UsageError("--json and -o - both need stdout: give -o FILE")
        if not sys.stdout or sys.stdout.isatty():
            raise UsageError("-o - would write Ogg Opus to the terminal: pipe it into a program")
        output = Output(quiet=output.quiet, stream=sys.stderr)
    job = Job(settings, output, target)
    wanted = chosen(arguments, settings, output)
    job.check(wanted)
    status = run_async(lambda: job.run(wanted))
    if status > SIGNALLED:
        job.tell_what_is_kept()
    return status


def _target(arguments: argparse.Namespace) -> Target:
    many = arguments.all or arguments.album or arguments.artist
    template = (ALBUM if many else ONE_TRACK) if arguments.name is None else arguments.name
    check_template(template)
    if arguments.out is not None and (arguments.dir is not None or arguments.name is not None):
        raise UsageError("-o names the whole file: give it without --dir and --name")
    folder = Path(arguments.dir or ".").expanduser()
    if arguments.out is None:
        if not folder.is_dir():
            raise UsageError(f"there is no folder {arguments.dir}: make it, or name another with --dir")
    elif arguments.out != STDOUT:
        check_file(arguments.out)
        _check_free(checked_target(arguments.out), replaces=arguments.force)
    silence_s = silence_of(arguments.timeout)
    return Target(arguments.out, folder, template, silence_s, arguments.force)


def _check_free(path: Path, *, replaces: bool) -> None:
    """Raise UsageError if a file has this name and can be no track; a track is compared as it comes."""
    if replaces or not path.exists():
        return
    from lightpeer.client.part_file import other_file

    with contextlib.suppress(OSError), path.open("rb") as file:  # who cannot read it learns that later
        if file.read(len(OGG)) != OGG:
            raise other_file(path)


class Job:
    """All that one command fetches."""

    def __init__(self, settings: Settings, output: Output, target: Target) -> None:
        """Fetch nothing yet.

        Args:
            settings: those in force.
            output: says what was fetched.
            target: where to.
        """
        self._settings = settings
        self._output = output
        self._target = target
        self._path: Path | None = None  # that is written now
        self._taken: set[Path] = set()

    def check(self, wanted: Chosen) -> None:
        """Raise UsageError if one file is to hold several tracks."""
        if self._target.file is not None and (len(wanted.items) > 1 or wanted.takes_all):
            raise UsageError("-o names the file of one track: for several, give --dir and --name")

    async def run(self, wanted: Chosen) -> int:
        """Fetch all of it; return the exit status."""
        status = 0
        async with open_metered(self._settings, SystemNetwork()) as client:
            if client.meter is not None:
                client.meter.watch(self._output.notify)
            for number in range(1, len(wanted.items) + 1):
                failed = await self._fetch_item(client, wanted, number)
                status = status or failed
        return status

    async def _fetch_item(self, client: Client, wanted: Chosen, number: int) -> int:
        """Fetch one of what is wanted, counted from 1; return the first exit status of what failed, or 0.

        Where it is the only track, its error is raised.
        """
        item, status = wanted.items[number - 1], 0
        try:
            tracks = await self._tracks(client, item, takes_all=wanted.takes_all)
        except _OF_ONE as error:
            if len(wanted.items) == 1:
                raise
            return self._tell(item, error)
        count = max(len(wanted.items), len(tracks))
        for place, track in enumerate(tracks, 1):
            label = f"{max(number, place)}/{count} " if count > 1 else ""
            try:
                await self._fetch(client, track, label)
            except (*_OF_ONE, StateError) as error:
                if count == 1:
                    raise
                status = status or self._tell(track.title, error)
        return status

    async def _tracks(self, client: Client, item: str, *, takes_all: bool) -> list[Named]:
        """Return the tracks of an item; where one file is named, its id is enough."""
        if is_uri(item) and self._target.file is not None:
            return [Named(item, {})]
        return await named_tracks(client, item, self._output, takes_all=takes_all)

    def _tell(self, what: str, error: LightpeerError) -> int:
        self._output.notify(f"{what}: {error}")
        return error.exit_status

    async def _fetch(self, client: Client, track: Named, label: str) -> None:
        from lightpeer.cli.terminal import LiveLine, is_live
        from lightpeer.client.fetch import FetchOptions, fetch

        path = self._path_of(track)
        is_named = self._target.file is not None
        if path is not None and path.exists() and not (is_named or self._target.replaces):
            self._tell_there(track.uri, path)
            return
        live = not self._output.json and not self._output.quiet and is_live(sys.stderr)
        line = LiveLine(sys.stderr) if live else None
        progress = Progress(label + (path.name if path else track.title))

        def on_progress(done_bytes: int, total_bytes: int | None) -> None:
            if line:
                line.show(progress.line(done_bytes, total_bytes, trio.current_time(), line.columns()))

        kbps, silence_s = self._settings.bitrate_kbps, self._target.silence_s
        options = FetchOptions(kbps, silence_s, on_progress, self._target.replaces)
        self._path = path
        try:
            done = await fetch(client, track.uri, path, options)
        except NoPeerError as error:
            raise _with_kept(error, client, track.uri) from error
        finally:
            if line:
                line.clear()
        self._path = None
        if done.was_there:
            self._tell_there(done.uri, done.path)
        else:
            _report(done, self._output)

    def _tell_there(self, uri: str, path: Path) -> None:
        self._output.remark("there", self._output.fit(f"{path} is there already"), uri=uri, path=str(path))

    def _path_of(self, track: Named) -> Path | None:
        """Return the file of a track, whose folder is made; None for standard output."""
        target = self._target
        if target.file is not None:
            return None if target.file == STDOUT else checked_target(target.file)
        path = target.folder / file_name(target.template, track.known, sys.getfilesystemencoding())
        if path in self._taken:  # by another track of this run
            path = path.with_stem(f"{path.stem} [{track.uri[-8:]}]")
        self._taken.add(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            text = f"cannot make the folder {path.parent} ({error.strerror}): name another with --dir"
            raise StateError(path.parent, text) from error
        return path

    def tell_what_is_kept(self) -> None:
        """Say, after a signal, that the part of a track that is here is not lost."""
        from lightpeer.client.part_file import part_of

        if self._path is not None and (part := part_of(self._path)).exists() and not self._output.quiet:
            with contextlib.suppress(OSError):  # the terminal may be gone
                self._output.notify(f"{part} is kept: the same command goes on from it")


def _with_kept(error: NoPeerError, client: Client, uri: str) -> NoPeerError:
    """Return an error that says too in which bitrate a track is here, if it is in any."""
    kbps = kept_kbps(client, uri)
    return error if kbps is None else NoPeerError(f"{error}; all of it is kept here at --bitrate {kbps}")


def _report(done: Fetched, output: Output) -> None:
    text = f"{done.path}: {done.size_bytes} bytes, {done.bitrate_kbps} kbit/s, by {done.transport}"
    output.remark(
        "fetched",
        output.fit(text),
        uri=done.uri,
        path=str(done.path),
        bytes=done.size_bytes,
        kept_bytes=done.kept_bytes,
        title=done.title,
        bitrate_kbps=done.bitrate_kbps,
        transport=done.transport,
        sources=done.sources,
    )
