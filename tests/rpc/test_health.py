from __future__ import annotations

import pytest
import trio
import trio.testing

from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError
from lightpeer.pb.grpc.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from lightpeer.rpc.channel import EOF
from lightpeer.rpc.health import Health
from tests.rpc.service import run, serving

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
Status = HealthCheckResponse.ServingStatus
FORMS = HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString


def test_check_tells_of_the_server_and_of_its_services_until_it_stops():
    async def main():
        async with serving() as f:
            health = Health(["pkg.Known"])
            f.service.handlers.update(health.handlers())
            check = f.channel.unary_unary(CHECK, *FORMS)
            for name in ("", "pkg.Known"):
                assert (await check(HealthCheckRequest(service=name))).status == Status.SERVING
            with pytest.raises(RpcError) as caught:
                await check(HealthCheckRequest(service="pkg.Other"))
            assert caught.value.code() is StatusCode.NOT_FOUND
            health.stop()
            assert (await check(HealthCheckRequest())).status == Status.NOT_SERVING

    run(main)


@pytest.mark.parametrize(
    ("service", "expected"),
    [("", [Status.SERVING, Status.NOT_SERVING]), ("pkg.Other", [Status.SERVICE_UNKNOWN])],
)
def test_watch_tells_what_changes_and_ends_with_the_server(service, expected):
    async def main():
        async with serving() as f:
            health = Health(["pkg.Known"])
            f.service.handlers.update(health.handlers())
            watch = f.channel.unary_stream(WATCH, *FORMS)
            call = watch(HealthCheckRequest(service=service))
            seen = [(await call.read()).status]
            await trio.testing.wait_all_tasks_blocked()
            assert not call.done()
            health.stop()
            while (reply := await call.read()) is not EOF:
                seen.append(reply.status)
            assert seen == expected
            late = [reply.status async for reply in watch(HealthCheckRequest())]
            assert late == [Status.NOT_SERVING]

    run(main)


def test_services_may_be_down_for_a_while_and_who_watches_is_told_each_time():
    async def main():
        async with serving() as f:
            health = Health(["pkg.Known", "pkg.Other"])
            f.service.handlers.update(health.handlers())
            call = f.channel.unary_stream(WATCH, *FORMS)(HealthCheckRequest(service="pkg.Known"))
            seen = [(await call.read()).status]
            for services, is_up in [(["pkg.Other"], False), (["pkg.Known"], False), (["pkg.Known"], True)]:
                health.set_up(services, is_up=is_up)
                await trio.testing.wait_all_tasks_blocked()
            health.stop()
            while (reply := await call.read()) is not EOF:
                seen.append(reply.status)
            assert seen == [Status.SERVING, Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]

    run(main)


@pytest.mark.parametrize("path", [CHECK, WATCH])
def test_what_is_not_a_request_is_refused(path):
    async def main():
        async with serving() as f:
            f.service.handlers.update(Health([]).handlers())
            with pytest.raises(RpcError) as caught:
                await f.channel.unary_stream(path)(b"\xff").read()
            assert caught.value.code() is StatusCode.INVALID_ARGUMENT

    run(main)
