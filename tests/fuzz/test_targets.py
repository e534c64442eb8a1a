"""Each function that takes bytes from the network has a fuzz target, and survives what hypothesis finds."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import FrameType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.target import CORPUS, ROOT, Target, untrusted_functions
from tests.fuzz.targets import TARGETS

EDITS = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 6), st.binary(max_size=6)), max_size=5)


def edited(seed: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Sound input gone wrong: bytes changed, put in, left out or repeated, the end cut off."""
    data = bytearray(seed)
    for place, kind, put in edits:
        at = place % (len(data) + 1)
        match kind:
            case 0:
                data[at : at + len(put)] = put
            case 1:
                data[at:at] = put
            case 2:
                del data[at : at + 1 + len(put)]
            case 3:
                data[at:at] = data[at : at + 8 * len(put)]
            case 4:
                del data[at:]
            case 5:
                data[at : at + len(put)] = b"\xff" * len(put)
            case _:
                data[at : at + 1] = bytes((data[at] ^ 1 << len(put),)) if at < len(data) else b""
    return bytes(data)


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    return st.one_of(st.builds(edited, st.sampled_from(target.seeds), EDITS), st.binary(max_size=300))


def names_called(run: Callable[[], None]) -> set[str]:
    """The functions of lightpeer that are called, as `Target.covers` has them."""
    called = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(ROOT):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            called.add(f"{module}.{frame.f_code.co_qualname}")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
    return called


def test_every_untrusted_function_has_a_target():
    """Name a new one in the `covers` of a target that calls it, in core_targets.py or shell_targets.py."""
    covered = frozenset[str]().union(*(target.covers for target in TARGETS.values()))
    assert covered == set(untrusted_functions())


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_target_reaches_with_its_seeds_what_it_covers(target):
    called = names_called(lambda: [target.run(seed) for seed in target.seeds])
    assert target.covers - called == set()


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_what_was_found_is_survived(target):
    for data in target.corpus():
        target.run(data)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_refusals_comes_of_any_bytes(name):
    target = TARGETS[name]

    @given(data=inputs(target))
    def survives(data: bytes) -> None:
        target.run(data)

    survives()


def test_the_corpus_is_of_targets():
    assert {folder.name for folder in CORPUS.iterdir() if folder.is_dir()} <= TARGETS.keys()


@pytest.mark.parametrize("atheris", [None, SimpleNamespace(instrument_imports=lambda **_: nullcontext())])
def test_what_is_wrong_with_a_run_is_told(monkeypatch, atheris):
    monkeypatch.setitem(sys.modules, "atheris", atheris)
    monkeypatch.setattr(sys, "argv", ["fuzz", "nothing", "1"])
    with pytest.raises(SystemExit, match="addresses" if atheris else "pip install"):
        runpy.run_module("tests.fuzz", run_name="__main__")
