"""One file to import, and who does it: this process, or processes beside it.

Encoding takes a core for minutes, and a hostile file may crash a decoder. So a server has its imports made by
processes of low priority (`worker.py`), one for each core but one: music that is being served goes first, and
a crash costs one file, and so does one that has a parser or a decoder busy for ever (`limits.py`). A worker
takes one job at a time, a line of JSON each way, and ends with its server, because its input ends.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Final, Protocol, TypeVar, cast

from lightpeer.core.content.album import AlbumPlace
from lightpeer.errors import MissingLibraryError, UnreadableError
from lightpeer.serve.importing import limits
from lightpeer.serve.importing.ingest import Recipe, make_track
from lightpeer.serve.importing.repage import StoppedError
from lightpeer.serve.importing.tags import Tags, read_tags
from lightpeer.serve.library.waiting import Words

T = TypeVar("T")

POLL_S: Final = 0.2  # how soon a stop is noticed
_PACKAGE: Final = Path(__file__).parents[3]
_READ_BYTES: Final = 1 << 16
_CRASHED: Final = "its decoder crashed"


@dataclass(frozen=True, slots=True)
class Job:
    """A file to make a track of.

    Attributes:
        source: the music file.
        folder: an empty folder, for the track.
        recipe: how it is encoded.
        tags: None: as the file has them.
    """

    source: Path
    folder: Path
    recipe: Recipe
    tags: Tags | None = None

    def to_line(self) -> bytes:
        """Return the job as a worker reads it."""
        source, folder = os.fsdecode(self.source), os.fsdecode(self.folder)
        tags = None if self.tags is None else asdict(self.tags)
        return json.dumps([source, folder, asdict(self.recipe), tags]).encode() + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> Job:
        """Return the job that a server wrote."""
        source, folder, recipe, tags = json.loads(line)
        made = Recipe(tuple(recipe["ladder_kbps"]), recipe["complexity"])
        if tags is not None:
            tags = Tags(**tags | {"place": AlbumPlace(*tags["place"])})
        return cls(Path(source), Path(folder), made, tags)


def do(job: Job, should_stop: Callable[[], bool] = lambda: False, roots: Sequence[Path] = ()) -> str:
    """Do a job here; it returns and raises what `make_track` does. The roots are those of `read_tags`."""
    return _do(job, partial(read_tags, roots=roots), should_stop)


def _do(job: Job, read: Callable[[Path], Tags], should_stop: Callable[[], bool] = lambda: False) -> str:
    return make_track(job.source, job.tags or read(job.source), job.recipe, job.folder, should_stop)


def _read_in_time(path: Path, roots: Sequence[Path]) -> Tags:
    """Read tags in a worker, which ends if that takes too long."""
    with limits.tags_in_time():
        return read_tags(path, roots)


def words_of(paths: Sequence[bytes], read: Callable[[Path], Tags] = read_tags) -> list[Words]:
    """Return the words of the tags of some files; where they cannot be read, the imports say why."""
    try:
        found = [(path, read(Path(os.fsdecode(path)))) for path in paths]
    except MissingLibraryError:
        return []
    return [Words(path, tags.title, tags.artist, tags.album) for path, tags in found]


def answer_to(line: bytes, roots: Sequence[Path] = ()) -> dict[str, object]:
    """Do what a server asks for in a line, and return what it is told: of a job, or of files to read."""
    asked = json.loads(line)
    if isinstance(asked, dict):
        read = partial(_read_in_time, roots=roots)
        found = words_of([os.fsencode(path) for path in asked["words"]], read)
        return {"words": [[os.fsdecode(path), *words] for path, *words in found]}
    return answer_of(Job.of_line(line), roots)


def answer_of(job: Job, roots: Sequence[Path] = ()) -> dict[str, object]:
    """Do a job, and return the result or the error as it is told to a server."""
    try:
        with limits.sound_in_time():
            return {"damage": _do(job, partial(_read_in_time, roots=roots), limits.came_further)}
    except UnreadableError as error:
        return {"unreadable": str(error)}
    except MissingLibraryError as error:
        return {"missing": error.library, "message": str(error)}
    except OSError as error:
        return {"errno": error.errno, "message": error.strerror}
    except Exception as error:  # noqa: BLE001 - one file must not end the import of thousands
        return {"unreadable": f"it cannot be imported ({type(error).__name__}: {error})"}


def damage_in(answer: dict[str, object]) -> str:
    """Return the result that a worker told, or raise its error."""
    match answer:
        case {"damage": str(damage)}:
            return damage
        case {"missing": str(library), "message": message}:
            raise MissingLibraryError(library, str(message))
        case {"errno": int(number), "message": message}:
            raise OSError(number, str(message))
    raise UnreadableError(str(answer["unreadable"]))


class Worker:
    """A process that does jobs; it is started for the first one, and again after a crash."""

    def __init__(self, roots: Sequence[Path] = ()) -> None:
        """Start nothing yet; the roots are those of `read_tags`."""
        self._roots = roots
        self._process: subprocess.Popen[bytes] | None = None

    def do(self, job: Job, should_stop: Callable[[], bool]) -> str:
        """Have a job done, as `do` does it."""
        return damage_in(self._ask(job.to_line(), should_stop))

    def words_of(self, paths: Sequence[bytes], should_stop: Callable[[], bool]) -> list[Words]:
        """Have tags read; of none where that crashes."""
        line = json.dumps({"words": list(map(os.fsdecode, paths))}).encode() + b"\n"
        try:
            answer = cast("Any", self._ask(line, should_stop))
        except UnreadableError:
            return []
        return [Words(os.fsencode(path), *words) for path, *words in answer["words"]]

    def _ask(self, line: bytes, should_stop: Callable[[], bool]) -> dict[str, object]:
        """Return the answer to a line; where there is none, the process is closed."""
        process = self._process = self._process or _start(self._roots)
        assert process.stdin is not None
        assert process.stdout is not None
        answer = b""
        try:
            with suppress(BrokenPipeError):
                _write_all(process.stdin, line)
                answer = _read_line(process.stdout, should_stop)
        except StoppedError:
            self.close()
            raise
        if not answer:
            self.close()
            raise UnreadableError(limits.TOO_LONG.get(process.returncode, _CRASHED))
        return cast("dict[str, object]", json.loads(answer))

    def kill(self) -> None:
        """End the process; from any thread, so a job ends in the middle."""
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """End the process and close its pipes; in the thread that has jobs done."""
        self.kill()
        process, self._process = self._process, None
        if process is not None:
            with process:
                pass


def _write_all(file: IO[bytes], data: bytes) -> None:
    while data:
        data = data[file.write(data) :]


def _read_line(file: IO[bytes], should_stop: Callable[[], bool]) -> bytes:
    """Return the line that comes, b"" if the file ends within it; raise StoppedError if it is to stop."""
    line = b""
    while not line.endswith(b"\n"):
        if select.select([file], [], [], POLL_S)[0]:
            line += (data := file.read(_READ_BYTES))
            if not data:
                return b""
        elif should_stop():
            raise StoppedError
    return line


def _start(roots: Sequence[Path]) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, (os.fspath(_PACKAGE), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "lightpeer.serve.importing.worker", *map(os.fspath, roots)]
    environment = {**os.environ, "PYTHONPATH": path}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=0, env=environment)  # noqa: S603 - no shell


class Crew(Protocol):
    """Takes jobs.

    Attributes:
        size: how many jobs it takes at once, so that it need not wait for the next.
    """

    size: int

    def submit(self, job: Job) -> Future[str]:
        """Take a job; the future has what `do` returns or raises."""

    def read(self, paths: Sequence[bytes]) -> Future[list[Words]]:
        """Have tags read."""


class _Here:
    """Does each job at once, in the calling thread."""

    size = 1

    def __init__(self, should_stop: Callable[[], bool], roots: Sequence[Path]) -> None:
        self._should_stop = should_stop
        self._roots = roots

    def submit(self, job: Job) -> Future[str]:
        return _done(partial(do, job, self._should_stop, self._roots))

    def read(self, paths: Sequence[bytes]) -> Future[list[Words]]:
        return _done(partial(words_of, paths, partial(read_tags, roots=self._roots)))


def _done(function: Callable[[], T]) -> Future[T]:
    """Call a function, and return its result or error."""
    future: Future[T] = Future()
    try:
        future.set_result(function())
    except Exception as error:  # noqa: BLE001 - raised again by result()
        future.set_exception(error)
    return future


class _Beside:
    """Has jobs done by workers; a thread waits for each."""

    def __init__(self, workers: list[Worker], threads: Executor, should_stop: Callable[[], bool]) -> None:
        self.size = len(workers) + 1  # the next lies ready while the last is added to the library
        self.workers = workers
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._threads = threads
        self._should_stop = should_stop
        for worker in self.workers:
            self._idle.put(worker)

    def submit(self, job: Job) -> Future[str]:
        return self._threads.submit(self._with_worker, lambda worker: worker.do(job, self._should_stop))

    def read(self, paths: Sequence[bytes]) -> Future[list[Words]]:
        return self._threads.submit(
            self._with_worker, lambda worker: worker.words_of(paths, self._should_stop)
        )

    def _with_worker(self, function: Callable[[Worker], T]) -> T:
        worker = self._idle.get()
        try:
            return function(worker)
        finally:
            self._idle.put(worker)


@contextmanager
def open_crew(processes: int, should_stop: Callable[[], bool], roots: Sequence[Path] = ()) -> Iterator[Crew]:
    """Give a crew of some processes beside this one; of none: this thread.

    Args:
        processes: how many.
        should_stop: asked now and then; True ends all jobs with StoppedError.
        roots: the music folders, for `read_tags`.
    """
    if processes < 1:
        yield _Here(should_stop, roots)
        return
    threads = ThreadPoolExecutor(processes, "import")
    crew = _Beside([Worker(roots) for _ in range(processes)], threads, should_stop)
    try:
        yield crew
    finally:
        for worker in crew.workers:
            worker.kill()
        threads.shutdown(cancel_futures=True)
        for worker in crew.workers:
            worker.close()
