"""ffmpeg as a process: what it is asked, what it sees, and that it never outlives its block."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lightpeer.errors import UnreadableError
from lightpeer.serve.importing.ffmpeg import NeedsFfmpegError, running_ffmpeg


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in the place of ffmpeg."""

    def install(script: str) -> None:
        program = tmp_path / "ffmpeg"
        program.write_text(script)
        program.chmod(stat.S_IRWXU)
        monkeypatch.setattr(shutil, "which", lambda _name: os.fspath(program))

    return install


def test_it_may_read_one_file_and_nothing_else(install, tmp_path: Path) -> None:
    install('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    name = tmp_path / "-i http:evil; rm x.mka"
    with running_ffmpeg(name, ["-f", "s16le"]) as process:
        asked = process.communicate()[0].decode().splitlines()
    assert asked[asked.index("-protocol_whitelist") + 1] == "file,pipe"
    assert asked[asked.index("-i") + 1] == f"file:{name}", "no option, no protocol, no shell"
    assert asked[-3:] == ["-f", "s16le", "pipe:1"]
    assert "-nostdin" in asked


def test_it_gets_nothing_to_read(install) -> None:
    install("#!/bin/sh\nexec cat\n")
    with running_ffmpeg(Path("x"), []) as process:
        assert process.communicate()[0] == b""


def test_its_complaints_go_where_they_are_wanted(install) -> None:
    install("#!/bin/sh\necho sound\necho broken >&2\n")
    with tempfile.TemporaryFile() as complaints, running_ffmpeg(Path("x"), [], complaints) as process:
        assert process.communicate()[0] == b"sound\n"
        complaints.seek(0)
        assert complaints.read() == b"broken\n"


@pytest.mark.parametrize("script", ["#!/bin/sh\nexec yes\n", "#!/bin/sh\nexec sleep 600\n"])
def test_it_ends_with_its_block_whatever_it_does(install, script: str) -> None:
    install(script)
    with running_ffmpeg(Path("x"), []) as process:
        pass
    assert process.returncode == -9


def test_it_ends_with_a_block_that_fails(install) -> None:
    install("#!/bin/sh\nexec sleep 600\n")
    with pytest.raises(subprocess.TimeoutExpired), running_ffmpeg(Path("x"), []) as process:
        process.communicate(timeout=0)
    assert process.returncode == -9


def test_where_it_is_missing_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(NeedsFfmpegError, match="sudo apt install ffmpeg"), running_ffmpeg(Path("x"), []):
        pass


def test_one_that_cannot_be_started_is_an_unreadable_file(install) -> None:
    install("#!/nowhere/interpreter\n")
    told = "ffmpeg cannot be started: No such file"
    with pytest.raises(UnreadableError, match=told), running_ffmpeg(Path("x"), []):
        pass
