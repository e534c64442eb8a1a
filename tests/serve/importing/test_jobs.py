"""Imports in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest

from lightpeer.core.content.album import AlbumPlace
from lightpeer.errors import MissingLibraryError, UnreadableError
from lightpeer.serve.importing import jobs
from lightpeer.serve.importing.ingest import Recipe
from lightpeer.serve.importing.jobs import Job, Worker, answer_of, answer_to, damage_in, open_crew
from lightpeer.serve.importing.repage import StoppedError
from lightpeer.serve.importing.tags import Tags
from lightpeer.serve.importing.worker import NICE
from lightpeer.serve.library.waiting import Words
from tests.serve.media import read_track, write_opus, write_wav

RECIPE = Recipe((24, 48), complexity=0)


@pytest.fixture
def worker():
    made = Worker()
    yield made
    made.close()


def job(tmp_path: Path, source: Path, name: str = "track") -> Job:
    (tmp_path / name).mkdir()
    return Job(source, tmp_path / name, RECIPE)


@pytest.mark.parametrize(
    "tags", [None, Tags("Caf\xe9\n", "Somebody", "", -700, AlbumPlace(3, 1, 12, "Band", 1999)), Tags("x")]
)
def test_a_job_is_a_line_whatever_its_file_is_called(tmp_path: Path, tags: Tags | None) -> None:
    made = Job(tmp_path / os.fsdecode(b"caf\xe9\n.wav"), tmp_path, RECIPE, tags)
    line = made.to_line()
    assert line.count(b"\n") == 1
    assert Job.of_line(line) == made


def test_a_worker_makes_one_track_after_the_other_at_low_priority(tmp_path: Path, worker: Worker) -> None:
    for name in ("One", "Two"):
        made = job(tmp_path, write_wav(tmp_path / f"{name}.wav"), name + ".track")
        assert worker.do(made, lambda: False) == ""
        assert read_track(made.folder).title == name
    assert os.getpriority(os.PRIO_PROCESS, worker._process.pid) == min(NICE, 19)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UnreadableError("it is empty"), UnreadableError),
        (MissingLibraryError("opusenc", "libopusenc is missing"), MissingLibraryError),
        (OSError(28, "No space left on device"), OSError),
    ],
)
def test_an_error_is_the_same_here(tmp_path: Path, monkeypatch, error: Exception, kind: type) -> None:
    def fail(*_: object) -> str:
        raise error

    monkeypatch.setattr(jobs, "make_track", fail)
    with pytest.raises(kind) as raised:
        damage_in(answer_of(Job(tmp_path / "x.wav", tmp_path, RECIPE)))
    assert str(raised.value) == str(error)
    assert vars(raised.value) == vars(error)


def test_a_fault_of_ours_costs_one_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(jobs, "make_track", lambda *_: 1 / 0)
    answer = answer_of(Job(tmp_path / "x.wav", tmp_path, RECIPE))
    with pytest.raises(UnreadableError, match="ZeroDivisionError"):
        damage_in(answer)


def test_damage_is_told(tmp_path: Path, worker: Worker) -> None:
    source = write_wav(tmp_path / "x.wav", 4.0)
    source.write_bytes(source.read_bytes()[:-9001])
    assert worker.do(job(tmp_path, source), lambda: False) == "it is cut short"


def test_a_crash_costs_one_file(tmp_path: Path, worker: Worker) -> None:
    good = write_wav(tmp_path / "good.wav")
    worker.do(job(tmp_path, good), lambda: False)
    worker.kill()
    with pytest.raises(UnreadableError, match="crashed"):
        worker.do(job(tmp_path, good, "again"), lambda: False)
    assert worker.do(job(tmp_path, good, "third"), lambda: False) == ""


def test_a_signal_to_all_processes_of_a_server_is_the_servers(tmp_path: Path, worker: Worker) -> None:
    """systemd sends SIGTERM to each; the file that is imported then would be called damaged."""
    assert worker.do(job(tmp_path, write_wav(tmp_path / "One.wav"), "one"), lambda: False) == ""
    process = worker._process
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        process.send_signal(number)
    assert worker.do(job(tmp_path, write_wav(tmp_path / "Two.wav"), "two"), lambda: False) == ""
    assert worker._process is process


@pytest.fixture
def patched(monkeypatch) -> Callable[[str], None]:
    """Give a function that has workers run a program first, in which `limits` are short."""
    pipe = subprocess.PIPE

    def patch(program: str) -> None:
        lines = (
            "import itertools",
            "from lightpeer.serve.importing import ingest, jobs, limits, worker",
            "limits.TAGS_CPU_S = limits.SOUND_CPU_S = 0.5",
            program,
            "worker.main()",
        )
        command = [sys.executable, "-c", "\n".join(lines)]
        monkeypatch.setattr(
            jobs, "_start", lambda _roots: subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=0)
        )

    return patch


def test_tags_that_are_read_for_ever_cost_one_file(tmp_path: Path, worker: Worker, patched) -> None:
    patched(
        "usual = jobs.read_tags\n"
        "jobs.read_tags = lambda path, _: sum(itertools.count()) if path.stem == 'bad' else usual(path)"
    )
    bad, good = (write_wav(tmp_path / f"{name}.wav") for name in ("bad", "good"))
    with pytest.raises(UnreadableError, match="its tags take too long to read"):
        worker.do(job(tmp_path, bad), lambda: False)
    assert worker.words_of([os.fsencode(bad)], lambda: False) == []
    assert worker.do(job(tmp_path, good, "good.track"), lambda: False) == ""


def test_sound_that_is_decoded_for_ever_costs_one_file(tmp_path: Path, worker: Worker, patched) -> None:
    patched(
        "usual = ingest.open_pcm\n"
        "def endless(path, kind):\n"
        "    return sum(itertools.count()) if path.stem == 'bad' else usual(path, kind)\n"
        "ingest.open_pcm = endless"
    )
    bad, good = (write_wav(tmp_path / f"{name}.wav") for name in ("bad", "good"))
    with pytest.raises(UnreadableError, match="it takes too long to decode"):
        worker.do(job(tmp_path, bad), lambda: False)
    assert worker.do(job(tmp_path, good, "good.track"), lambda: False) == ""


def test_a_stop_ends_a_job_in_the_middle(tmp_path: Path, worker: Worker) -> None:
    os.mkfifo(tmp_path / "endless.wav")  # nothing comes, so that it never ends by itself
    with pytest.raises(StoppedError):
        worker.do(job(tmp_path, tmp_path / "endless.wav"), lambda: True)
    assert worker._process is None


def test_a_crew_that_is_left_ends_its_processes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless.wav")
    futures: list[Future[str]] = []
    with open_crew(2, lambda: False) as crew:
        assert crew.size == 3, "one lies ready"
        futures += [crew.submit(job(tmp_path, tmp_path / "endless.wav", name)) for name in "abc"]
        while not all(worker._process for worker in crew.workers):
            time.sleep(0.01)
        processes = [worker._process for worker in crew.workers]
    assert all(process.returncode is not None for process in processes)
    assert futures[2].cancelled()


def test_tags_are_read_by_a_process_many_at_a_time(tmp_path: Path, worker: Worker) -> None:
    paths = [os.fsencode(write_wav(tmp_path / f"Artist - Title {n}.wav", 1.0)) for n in range(3)]
    found = worker.words_of(paths, lambda: False)
    assert found == [Words(path, f"Title {n}", "Artist", "") for n, path in enumerate(paths)]
    worker.kill()
    assert worker.words_of(paths, lambda: False) == [], "a crash costs a batch its early words"
    assert worker.words_of(paths, lambda: False) == found


@pytest.mark.parametrize("processes", [0, 1])
def test_files_without_tags_are_named_by_the_folders_below_the_music(tmp_path: Path, processes: int) -> None:
    (tmp_path / "Band" / "Album").mkdir(parents=True)
    source = write_wav(tmp_path / "Band" / "Album" / "07 Song.wav")
    made = job(tmp_path, source)
    with open_crew(processes, lambda: False, [tmp_path]) as crew:
        words = crew.read([os.fsencode(source)]).result()
        assert crew.submit(made).result() == ""
    assert words == [Words(os.fsencode(source), "Song", "Band", "Album")]
    track = read_track(made.folder)
    assert (track.title, track.artist, track.album, track.place.track) == ("Song", "Band", "Album", 7)


def test_without_mutagen_there_are_no_early_words(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mutagen", None)
    path = write_opus(tmp_path / "x.opus", 1.0)
    assert answer_to(json.dumps({"words": [str(path)]}).encode()) == {"words": []}
    assert answer_to(job(tmp_path, path).to_line())["missing"] == "mutagen"
