"""The Ray Jobs API: a command is submitted to a Ray cluster, and asked about.

It is four calls of plain HTTP, made with the library that Ray itself brings; Ray's own client needs
the dashboard's dependencies, which a server has no other use for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryolattice.errors import RayUnavailableError

if TYPE_CHECKING:
    import requests

TOKEN_FIELD = "RAY_AUTH_TOKEN"  # noqa: S105 - where it is, not what
_SECONDS = 10.0
_ENDED = {"SUCCEEDED", "FAILED", "STOPPED"}
_LOG_CHARACTERS = 2000


@dataclass(frozen=True)
class Submission:
    """What the cluster says of a submitted command.

    Attributes
    ----------
    status : str
        PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.
    message : str
        Why it is so.
    """

    status: str
    message: str

    @property
    def ended(self) -> bool:
        """Whether the command runs no more."""
        return self.status in _ENDED


class RayJobs:
    """Submits commands to the Ray cluster at an address.

    Every call raises `RayUnavailableError` where the cluster does not answer or, with the field
    `TOKEN_FIELD`, refuses the token.

    Parameters
    ----------
    url : str
        Of the cluster's dashboard, such as ``http://head:8265``.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def submit(self, submission_id: str, entrypoint: str) -> None:
        """Have a command run on the cluster's head."""
        self._ask("POST", "", {"submission_id": submission_id, "entrypoint": entrypoint})

    def find(self, submission_id: str) -> Submission | None:
        """Return what has become of a command; None where the cluster knows nothing of it."""
        found = self._ask("GET", submission_id)
        if found is None:
            return None
        return Submission(found["status"], found.get("message") or "")

    def stop(self, submission_id: str) -> None:
        """End a command: by SIGTERM, and by SIGKILL where it has not ended three seconds later."""
        self._ask("POST", f"{submission_id}/stop")

    def log_end(self, submission_id: str) -> str:
        """Return the end of what a command printed."""
        found = self._ask("GET", f"{submission_id}/logs")
        return "" if found is None else str(found["logs"])[-_LOG_CHARACTERS:]

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        import requests  # noqa: PLC0415 - few servers use it

        token = os.environ.get(TOKEN_FIELD, "")
        try:
            with requests.Session() as session:
                # neither proxies nor somebody's .netrc
                session.trust_env = False
                response = session.request(
                    method,
                    f"{self.url}/api/jobs/{path}",
                    json=body,
                    headers={"Authorization": f"Bearer {token}"} if token else {},
                    timeout=_SECONDS,
                )
            if response.status_code == requests.codes.not_found and method == "GET":
                return None
            if response.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
                raise RayUnavailableError(
                    f"the Ray cluster at {self.url} refuses the token: see that RAY_AUTH_TOKEN is "
                    "its token, then resume the job",
                    field=TOKEN_FIELD,
                )
            response.raise_for_status()
            return response.json()
        except requests.RequestException as error:
            raise RayUnavailableError(
                f"the Ray cluster at {self.url} does not answer ({_cause(error)}): see that it "
                "runs, then resume the job",
                field="CRYOLATTICE_RAY_JOBS_URL",
            ) from error


def _cause(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"{error.response.status_code} {error.response.text.strip()[:200]}"
    # the message of these is the repr of the innermost of many
    return "no answer in time" if "Timeout" in type(error).__name__ else "no connection"
