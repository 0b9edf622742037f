"""Where data and jobs live: environment variables with the prefix ``CRYOLATTICE_``."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import platformdirs
from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    metrics_port : int
        Where a server shows its metrics by HTTP; 0 for nowhere.
    """

    model_config = SettingsConfigDict(env_prefix="CRYOLATTICE_", env_ignore_empty=True, frozen=True)

    home: Path = Field(default_factory=lambda: platformdirs.user_data_path("cryolattice"))
    store_url: str = ""
    ledger_url: str = ""
    project: str = "default"
    server: str = ""
    metrics_port: int = Field(default=9090, ge=0, le=65535)

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
