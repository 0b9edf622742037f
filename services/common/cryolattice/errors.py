"""One tree of errors: each class has a gRPC code and a reason of its own.

The server turns an error into a ``google.rpc.Status`` with an ``ErrorInfo`` (reason, domain,
metadata) and, where a field is to blame, a ``BadRequest``; the client restores the class by its
reason. Messages say what is wrong, with the value and the unit, and what to do about it.
"""

from __future__ import annotations

from typing import ClassVar, Literal

DOMAIN = "cryolattice"

Code = Literal[
    "CANCELLED",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
]


class CryolatticeError(Exception):
    """Base of every error that Cryolattice raises on purpose.

    Parameters
    ----------
    message : str
        What is wrong, with the value and the unit, and the remedy.
    field : str, optional
        Path of the offending request field or option, such as ``"supercell"``.
    metadata : dict of str to str, optional
        Further facts for programs.
    """

    code: ClassVar[Code] = "INTERNAL"
    reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self, message: str, *, field: str = "", metadata: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.metadata = dict(metadata or {})

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.field, self.metadata)


def _rebuild(
    cls: type[CryolatticeError], message: str, field: str, metadata: dict[str, str]
) -> CryolatticeError:
    return cls(message, field=field, metadata=metadata)


class InternalError(CryolatticeError):
    """A defect or a lost part of the system: ours, not the user's."""


class InvalidInputError(CryolatticeError):
    """A value that cannot be right: wrong sign, range, unit or combination."""

    code = "INVALID_ARGUMENT"
    reason = "INVALID_INPUT"


class UnreadableFileError(InvalidInputError):
    """A file that is missing, truncated, malformed or of an unknown kind."""

    reason = "UNREADABLE_FILE"


class MissingCalibrationError(InvalidInputError):
    """A file without a pixel size (or another scale), and none was given."""

    reason = "MISSING_CALIBRATION"


class NothingToOrderError(InvalidInputError):
    """A parent crystal without partially occupied sites."""

    reason = "NOTHING_TO_ORDER"


class CompositionError(InvalidInputError):
    """An occupancy that gives no whole number of atoms in the supercell."""

    reason = "IMPOSSIBLE_COMPOSITION"


class NotFoundError(CryolatticeError):
    """A resource that does not exist in this project."""

    code = "NOT_FOUND"
    reason = "NOT_FOUND"


class JobNotFoundError(NotFoundError):
    """No job has this name."""

    reason = "JOB_NOT_FOUND"


class DatasetNotFoundError(NotFoundError):
    """No dataset has this name."""

    reason = "DATASET_NOT_FOUND"


class RequestIdReusedError(CryolatticeError):
    """The same ``request_id`` came with another body."""

    code = "ALREADY_EXISTS"
    reason = "REQUEST_ID_REUSED"


class LimitExceededError(CryolatticeError):
    """The request is well formed but asks for more than a stated limit."""

    code = "RESOURCE_EXHAUSTED"
    reason = "LIMIT_EXCEEDED"


class PreconditionError(CryolatticeError):
    """The resource is not in a state that allows this."""

    code = "FAILED_PRECONDITION"
    reason = "PRECONDITION_FAILED"


class DatasetNotCommittedError(PreconditionError):
    """The dataset has no manifest: it is being written, or its writer died."""

    reason = "DATASET_NOT_COMMITTED"


class JobNotActiveError(PreconditionError):
    """The job has ended, or has not ended, and the call needs the opposite."""

    reason = "JOB_STATE"


class ConflictError(CryolatticeError):
    """Somebody else changed the resource in between: read it again and retry."""

    code = "ABORTED"
    reason = "CONFLICT"


class QuestionBusyError(ConflictError):
    """Another job computes the same dataset: its answer will be this one's."""

    reason = "QUESTION_BUSY"


class JobCancelledError(CryolatticeError):
    """The job was cancelled."""

    code = "CANCELLED"
    reason = "JOB_CANCELLED"


class ServerUnavailableError(CryolatticeError):
    """No server answers at the address."""

    code = "UNAVAILABLE"
    reason = "SERVER_UNAVAILABLE"


class LedgerUnavailableError(CryolatticeError):
    """The ledger's database does not answer."""

    code = "UNAVAILABLE"
    reason = "LEDGER_UNAVAILABLE"


class StoreUnavailableError(CryolatticeError):
    """The store cannot be written or read now: it is full, out of reach, or not permitted."""

    code = "UNAVAILABLE"
    reason = "STORE_UNAVAILABLE"


class RayUnavailableError(CryolatticeError):
    """The Ray cluster that computes the tiles does not answer, or refuses its token."""

    code = "UNAVAILABLE"
    reason = "RAY_UNAVAILABLE"


class VerificationError(CryolatticeError):
    """Results that an independent computation of a sample contradicts."""

    code = "DATA_LOSS"
    reason = "VERIFICATION_FAILED"


class CorruptDataError(CryolatticeError):
    """A stored object differs from what was committed, or is missing."""

    code = "DATA_LOSS"
    reason = "CORRUPT_DATA"


class MissingChunkError(CorruptDataError):
    """A stored object that the manifest lists is not there."""

    reason = "MISSING_CHUNK"


def _tree(cls: type[CryolatticeError]) -> list[type[CryolatticeError]]:
    return [cls, *(found for child in cls.__subclasses__() for found in _tree(child))]


def error_for(
    reason: str, message: str, *, field: str = "", metadata: dict[str, str] | None = None
) -> CryolatticeError:
    """Return the error whose class has `reason`; `InternalError` for an unknown one."""
    by_reason = {cls.reason: cls for cls in _tree(CryolatticeError) if cls is not CryolatticeError}
    return by_reason.get(reason, InternalError)(message, field=field, metadata=metadata)


def is_users_mistake(error: CryolatticeError) -> bool:
    """Whether the user can mend it: the command line then exits with 2, else with 1."""
    return error.code in {
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
    }
