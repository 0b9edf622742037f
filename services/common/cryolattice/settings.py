"""Where data and jobs live: environment variables with the prefix ``CRYOLATTICE_``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self

import platformdirs
from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cryolattice.errors import InvalidInputError

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_FORMATS = ("auto", "json", "console")


def _port(value: object) -> int:
    text = str(value).strip()
    if not text.isdecimal() or int(text) > 65535:
        raise InvalidInputError(
            f"CRYOLATTICE_METRICS_PORT is {text!r}: choose 1 to 65535, or 0 for no metrics",
            field="metrics_port",
        )
    return int(text)


def _http_url(value: object) -> str:
    text = str(value).strip()
    if text and not text.startswith(("http://", "https://")):
        raise InvalidInputError(
            f"CRYOLATTICE_RAY_JOBS_URL is {text!r}: write http://HOST:8265", field="ray_jobs_url"
        )
    return text


def _one_of(name: str, choices: tuple[str, ...]) -> Callable[[str], str]:
    def check(value: str) -> str:
        for choice in choices:
            if value.lower() == choice.lower():
                return choice
        raise InvalidInputError(
            f"CRYOLATTICE_{name.upper()} is {value!r}: choose {', '.join(choices)}", field=name
        )

    return check


class Settings(BaseSettings):
    """Settings of a process; each field is read from ``CRYOLATTICE_<FIELD>``.

    Attributes
    ----------
    home : Path
        Folder of the embedded data; the XDG data folder unless set.
    store_url : str
        Root of the store, ``file:///...`` or ``s3://bucket/prefix``.
    ledger_url : str
        SQLAlchemy URL of the ledger's database.
    project : str
        Project of the client's jobs and datasets.
    server : str
        Deployment that the client uses, as `--server` names it; none unless set.
    ray_jobs_url : str
        Ray cluster on whose head the drivers of sweeps and rankings run, ``http://HOST:8265``; in
        child processes of the server unless set.
    metrics_port : int
        Where a server shows its metrics by HTTP; 0 for nowhere.
    log_level : str
        Least level that a server logs: DEBUG, INFO, WARNING or ERROR.
    log_format : str
        `json`, `console`, or `auto`: readable on a terminal, else a line of JSON each.
    """

    model_config = SettingsConfigDict(env_prefix="CRYOLATTICE_", env_ignore_empty=True, frozen=True)

    home: Path = Field(default_factory=lambda: platformdirs.user_data_path("cryolattice"))
    store_url: str = ""
    ledger_url: str = ""
    project: str = "default"
    server: str = ""
    ray_jobs_url: Annotated[str, BeforeValidator(_http_url)] = ""
    metrics_port: Annotated[int, BeforeValidator(_port)] = 9090
    log_level: Annotated[str, BeforeValidator(_one_of("log_level", _LEVELS))] = "INFO"
    log_format: Annotated[str, BeforeValidator(_one_of("log_format", _FORMATS))] = "auto"

    @model_validator(mode="after")
    def _fill_in(self) -> Self:
        home = self.home.expanduser().absolute()
        derived = {
            "home": home,
            "store_url": self.store_url or (home / "store").as_uri(),
            "ledger_url": self.ledger_url or f"sqlite:///{home / 'ledger.db'}",
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)
        return self

    def environment(self) -> dict[str, str]:
        """Return the variables that give a child process these settings."""
        return {
            f"CRYOLATTICE_{name.upper()}": str(value) for name, value in self.model_dump().items()
        }
