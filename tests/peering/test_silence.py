"""How long a silent connection is waited for."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import trio

from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError
from lightpeer.peering.silence import watch_silence, within_silence
from lightpeer.testing.network import SimInternet, simulate


@pytest.mark.parametrize(
    ("heard_until_s", "ends_s"),
    [
        (0.0, 5.0),  # nothing came
        (1.5, 6.5),
        (2.5, 10.0),  # three times as long as it came
        (4.0, 14.0),  # but no more than twice the silence
        (60.0, 70.0),
    ],
)
def test_a_reply_that_was_coming_may_be_silent_for_longer(heard_until_s: float, ends_s: float) -> None:
    async def main(_: SimInternet) -> float:
        call = SimpleNamespace(heard_s=0.0)

        async def come() -> None:
            for half_seconds in itertools.takewhile(lambda n: n / 2 <= heard_until_s, itertools.count()):
                await trio.sleep_until(half_seconds / 2)
                call.heard_s = half_seconds / 2

        async with trio.open_nursery() as nursery:
            nursery.start_soon(come)
            await watch_silence(5.0, call, trio.CancelScope())  # type: ignore[arg-type]
            return trio.current_time()

    assert simulate(main) == pytest.approx(ends_s)


def test_an_answer_is_waited_for_until_there_is_silence() -> None:
    async def main(_: SimInternet) -> None:
        call = SimpleNamespace(heard_s=0.0)

        async def answer() -> str:
            await trio.sleep(4.0)
            return "here"

        assert await within_silence(5.0, answer(), call) == "here"  # type: ignore[arg-type]
        with pytest.raises(RpcError, match="said nothing in time") as caught:
            await within_silence(3.0, answer(), call)  # type: ignore[arg-type]
        assert caught.value.code() is StatusCode.DEADLINE_EXCEEDED
        assert trio.current_time() == 7.0

    simulate(main)
