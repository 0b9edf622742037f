from __future__ import annotations

import pickle

import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2

from cryolattice import errors
from cryolattice.error_status import from_status, to_status
from cryolattice.errors import CryolatticeError, InternalError, InvalidInputError


def _tree(cls: type[CryolatticeError]) -> list[type[CryolatticeError]]:
    return [cls, *(found for child in cls.__subclasses__() for found in _tree(child))]


CLASSES = [cls for cls in _tree(CryolatticeError) if cls is not CryolatticeError]


def test_every_class_has_a_reason_of_its_own() -> None:
    reasons = [cls.reason for cls in CLASSES]
    assert len(set(reasons)) == len(reasons) > 15
    assert all(reason == reason.upper() and " " not in reason for reason in reasons)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_status_restores_class_field_and_metadata(cls: type[CryolatticeError]) -> None:
    sent = cls("dose is -1 e/angstrom^2", field="image.dose", metadata={"job": "j"})
    status = status_pb2.Status.FromString(to_status(sent).SerializeToString())
    assert status.code == code_pb2.Code.Value(cls.code)
    restored = from_status(status)
    assert type(restored) is cls
    assert (restored.message, restored.field, restored.metadata) == (
        sent.message,
        sent.field,
        sent.metadata,
    )


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_errors_survive_pickling(cls: type[CryolatticeError]) -> None:
    restored = pickle.loads(pickle.dumps(cls("m", field="f", metadata={"k": "v"})))
    assert type(restored) is cls
    assert (restored.message, restored.field, restored.metadata) == ("m", "f", {"k": "v"})


def test_a_status_without_a_field_has_no_bad_request() -> None:
    (detail,) = to_status(InvalidInputError("no")).details
    assert detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)


def test_foreign_statuses_become_internal_errors() -> None:
    status = status_pb2.Status(code=3, message="who knows")
    assert type(from_status(status)) is InternalError
    status = to_status(InvalidInputError("x"))
    info = error_details_pb2.ErrorInfo(reason="INVALID_INPUT", domain="elsewhere")
    status.details[0].Pack(info)
    assert type(from_status(status)) is InternalError
    assert type(errors.error_for("NOT_KNOWN_HERE", "m")) is InternalError


def test_a_long_message_is_cut_to_what_trailers_hold() -> None:
    status = to_status(InvalidInputError("a" * 9000 + "remedy", field="f"))
    assert status.ByteSize() < 4096
    assert status.message.endswith("remedy")


def test_who_is_to_blame() -> None:
    users = {cls.reason for cls in CLASSES if errors.is_users_mistake(cls("m"))}
    assert {"UNREADABLE_FILE", "JOB_NOT_FOUND", "REQUEST_ID_REUSED", "LIMIT_EXCEEDED"} <= users
    assert not users & {"INTERNAL", "CORRUPT_DATA", "SERVER_UNAVAILABLE", "CONFLICT"}
