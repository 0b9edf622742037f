"""Errors as ``google.rpc.Status`` with details, and back."""

from __future__ import annotations

from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from cryolattice.errors import DOMAIN, CryolatticeError, InternalError, error_for

# a response's trailers hold 8 KiB, and the message goes there three times
_LONGEST_MESSAGE = 800


def to_status(error: CryolatticeError) -> status_pb2.Status:
    """Return the status with an ``ErrorInfo`` and, where a field is to blame, a ``BadRequest``."""
    message = error.message
    if len(message) > _LONGEST_MESSAGE:
        half = _LONGEST_MESSAGE // 2
        message = f"{message[:half]} [...] {message[-half:]}"
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code), message=message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    _pack(status, info)
    if error.field:
        request = error_details_pb2.BadRequest()
        request.field_violations.add(field=error.field, description=message)
        _pack(status, request)
    return status


def _pack(
    status: status_pb2.Status,
    detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest,
) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)


def from_status(status: status_pb2.Status) -> CryolatticeError:
    """Restore the error's class from its reason; `InternalError` where there is none of ours."""
    info = error_details_pb2.ErrorInfo()
    request = error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(request.DESCRIPTOR):
            detail.Unpack(request)
    if info.domain != DOMAIN:
        return InternalError(status.message or "the server failed without a message")
    field = request.field_violations[0].field if request.field_violations else ""
    return error_for(info.reason, status.message, field=field, metadata=dict(info.metadata))
