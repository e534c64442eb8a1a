from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError
from lightpeer.pb.grpc.reflection.v1 import reflection_pb2 as pb
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2
from lightpeer.rpc.reflection import SERVICES, Reflection
from tests.rpc.service import run, serving

PATHS = [f"/{service}/ServerReflectionInfo" for service in SERVICES]
OURS = "loudp2p/v1/loudp2p.proto"
FORMS = pb.ServerReflectionRequest.SerializeToString, pb.ServerReflectionResponse.FromString


def ask(*requests: pb.ServerReflectionRequest, path: str = PATHS[0]) -> list[pb.ServerReflectionResponse]:
    async def main():
        async with serving() as f:
            f.service.handlers.update(Reflection(["loudp2p.v1.Index"]).handlers())
            call = f.channel.stream_stream(path, *FORMS)(iter(requests))
            answers.extend([answer async for answer in call])

    answers: list[pb.ServerReflectionResponse] = []
    run(main)
    return answers


@pytest.mark.parametrize("path", PATHS)
def test_services_are_listed_in_both_versions(path):
    request = pb.ServerReflectionRequest(host="h", list_services="")
    (answer,) = ask(request, path=path)
    assert answer.valid_host == "h"
    assert answer.original_request == request
    names = [service.name for service in answer.list_services_response.service]
    assert names == [*SERVICES, "loudp2p.v1.Index"]


@pytest.mark.parametrize(
    ("question", "file"),
    [
        ({"file_by_filename": OURS}, OURS),
        ({"file_containing_symbol": "loudp2p.v1.Index"}, OURS),
        ({"file_containing_symbol": "loudp2p.v1.Index.Search"}, OURS),
        ({"file_containing_symbol": "loudp2p.v1.Seal"}, OURS),
        ({"file_containing_symbol": SERVICES[1]}, "grpc/reflection/v1alpha/reflection.proto"),
    ],
)
def test_definitions_are_found_by_file_and_by_symbol(question, file):
    (answer,) = ask(pb.ServerReflectionRequest(**question))
    (definition,) = answer.file_descriptor_response.file_descriptor_proto
    parsed = FileDescriptorProto.FromString(definition)
    assert parsed.name == file
    if file == OURS:
        assert definition == loudp2p_pb2.DESCRIPTOR.serialized_pb


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ({"file_by_filename": "etc/passwd"}, StatusCode.NOT_FOUND),
        ({"file_by_filename": "google/protobuf/descriptor.proto"}, StatusCode.NOT_FOUND),
        ({"file_containing_symbol": "no.Such"}, StatusCode.NOT_FOUND),
        ({"file_containing_symbol": ""}, StatusCode.NOT_FOUND),
        ({"file_containing_symbol": "google.protobuf.FileDescriptorProto"}, StatusCode.NOT_FOUND),
        ({"all_extension_numbers_of_type": "loudp2p.v1.Seal"}, StatusCode.NOT_FOUND),
        ({"file_containing_extension": pb.ExtensionRequest(containing_type="x")}, StatusCode.NOT_FOUND),
        ({}, StatusCode.INVALID_ARGUMENT),
    ],
)
def test_a_question_without_an_answer_gets_an_error_and_the_next_its_answer(question, code):
    bad, good = ask(pb.ServerReflectionRequest(**question), pb.ServerReflectionRequest(list_services="*"))
    assert bad.error_response.error_code == code
    assert bad.error_response.error_message
    assert good.HasField("list_services_response")


def test_what_is_not_a_question_ends_the_call():
    async def main():
        async with serving() as f:
            f.service.handlers.update(Reflection([]).handlers())
            with pytest.raises(RpcError) as caught:
                await f.channel.stream_stream(PATHS[0])([b"\xff"]).read()
            assert caught.value.code() is StatusCode.INVALID_ARGUMENT

    run(main)
