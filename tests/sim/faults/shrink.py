"""The shortest plan that still fails in the same way, printed as a test to paste.

Delta debugging (Zeller and Hildebrandt, 2002) over what can be left out: faults, commands, phones,
servers, tracks of a queue. Then what is left is made simpler: shorter faults, plainer links.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from tests.sim.faults.plan import Access, Fault, Plan

T = TypeVar("T")
Fails = Callable[[Plan], bool]

PLAIN = Access(down_bytes_per_s=50_000, up_bytes_per_s=50_000, delay_s=0.05)
LINE_LENGTH = 110
CHANGING = re.compile(r"[0-9]+(\.[0-9]+)*|loud:\w+|L\w{20,}")  # numbers, addresses, ids


def kind_of(failure: BaseException) -> str:
    """Return what two failures have in common that are the same fault: their text but for its numbers."""
    return f"{type(failure).__name__}: {CHANGING.sub('#', str(failure))}"


def shrunk(plan: Plan, fails: Fails) -> Plan:
    """Return a plan that fails as well, from which nothing more can be taken."""
    before = None
    while plan != before:
        before = plan
        plan = _fewer_faults(plan, fails)
        plan = _fewer_commands(plan, fails)
        for simpler in _simpler(plan):
            if fails(simpler):
                plan = simpler
                break
    return plan


def _fewer_faults(plan: Plan, fails: Fails) -> Plan:
    faults = _minimal(plan.faults, lambda some: fails(replace(plan, faults=some)))
    return replace(plan, faults=faults)


def _fewer_commands(plan: Plan, fails: Fails) -> Plan:
    for number, phone in enumerate(plan.phones):

        def with_commands(some: Sequence[object], number: int = number, plan: Plan = plan) -> Plan:
            phones = list(plan.phones)
            phones[number] = replace(phones[number], commands=tuple(some))
            return replace(plan, phones=tuple(phones))

        plan = with_commands(_minimal(phone.commands, lambda some: fails(with_commands(some))))
    return plan


def _minimal(parts: tuple[T, ...], fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """Return a part of a sequence, none of whose elements can be left out."""
    size = len(parts)
    while size:
        start = 0
        while start < len(parts):
            fewer = parts[:start] + parts[start + size :]
            if fails(fewer):
                parts = fewer
            else:
                start += size
        size //= 2
    return parts


def _simpler(plan: Plan) -> Iterator[Plan]:
    """Yield plans that are simpler in one thing, the most telling first."""
    for number in range(len(plan.phones) if len(plan.phones) > 1 else 0):
        if not any(fault.phone is not None and fault.phone >= number for fault in plan.faults):
            yield replace(plan, phones=plan.phones[:number] + plan.phones[number + 1 :])
    last = len(plan.servers) - 1
    if last and not any(fault.server == last for fault in plan.faults):
        yield replace(plan, servers=plan.servers[:last])
    for number, phone in enumerate(plan.phones):
        plainer = [
            replace(phone, queue=phone.queue[1:]) if len(phone.queue) > 1 else phone,
            replace(phone, queue=phone.queue[:-1]) if len(phone.queue) > 1 else phone,
            replace(phone, access=PLAIN),
            replace(phone, access=replace(phone.access, loss=0.0)),
            replace(phone, by_words=False),
            replace(phone, transport="auto"),
            replace(phone, bitrate_kbps=None),
            replace(phone, start_s=0.0),
            replace(phone, both_families=False),
        ]
        for one in plainer:
            if one != phone:
                yield replace(plan, phones=(*plan.phones[:number], one, *plan.phones[number + 1 :]))
    for number, server in enumerate(plan.servers):
        for plain in (
            replace(server, access=PLAIN),
            replace(server, holds=None),
            replace(server, cap_bytes_per_s=None),
        ):
            if plain != server:
                yield replace(plan, servers=(*plan.servers[:number], plain, *plan.servers[number + 1 :]))
    for number, fault in enumerate(plan.faults):
        for shorter in (0.0, float(int(fault.for_s / 2)), float(int(fault.for_s))):
            if shorter < fault.for_s:
                yield _with_fault(plan, number, replace(fault, for_s=shorter))
        if fault.at_s != int(fault.at_s):
            yield _with_fault(plan, number, replace(fault, at_s=float(int(fault.at_s))))


def _with_fault(plan: Plan, number: int, fault: Fault) -> Plan:
    return replace(plan, faults=(*plan.faults[:number], fault, *plan.faults[number + 1 :]))


def as_test(plan: Plan, failure: str) -> str:
    """Return the source of a test that runs a plan."""
    text = f'''def test_seed_{plan.seed}() -> None:
    """{failure}"""
    run({plan!r})
'''
    command = [sys.executable, "-m", "ruff", "format", f"--line-length={LINE_LENGTH}", "-"]
    formatted = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return formatted.stdout or text
