"""A private server in this process, behind a Unix-domain socket."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

import structlog

from cryolattice.client.calls import SERVICES_REMEDY
from cryolattice.errors import CryolatticeError, InternalError, PreconditionError
from cryolattice.jobs.processes import Processes
from cryolattice.settings import Settings
from cryolattice.telemetry.logs import configure_logs

Expected = Literal["", "job", "tiles"]

_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_THREADS = 8
_LONGEST_FOLDER = 70  # a socket's path may have about a hundred characters


class EmbeddedServer:
    """Serves every installed service to this process alone.

    Parameters
    ----------
    settings : Settings
        Where store and ledger are.
    expects : {"", "job", "tiles"}
        What the first question needs, a worker or Ray too: started while this process imports.

    Raises
    ------
    PreconditionError
        No service is installed, or store or ledger cannot be opened.
    """

    def __init__(self, settings: Settings, expects: Expected = "") -> None:
        if not entry_points(group="cryolattice.services"):
            raise PreconditionError(
                f"no Cryolattice service is installed in this Python: {SERVICES_REMEDY}",
                field="server",
            )
        self._settings = settings
        self._expects = expects
        too_long = len(tempfile.gettempdir()) > _LONGEST_FOLDER
        self._folder = tempfile.TemporaryDirectory(
            prefix="cryolattice-",
            dir="/tmp" if too_long else None,  # noqa: S108 - the new folder is private
        )
        self.address = f"unix:{Path(self._folder.name) / 'server.sock'}"
        self._ready = threading.Event()
        self._failure: CryolatticeError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="cryolattice-server", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_SECONDS):
            raise InternalError(f"the embedded server did not start in {_START_SECONDS:.0f} s")
        if self._failure is not None:
            self.close()
            raise self._failure

    def close(self) -> None:
        """Stop the server and the processes of its jobs."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_STOP_SECONDS)
        self._folder.cleanup()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except CryolatticeError as error:
            self._failure = error
        except Exception as error:
            self._failure = InternalError(
                f"the embedded server failed: {type(error).__name__}: {error}"
            )
            self._failure.__cause__ = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(_started_threads(_THREADS))
        self._stop = asyncio.Event()
        processes = Processes(self._settings, self._settings.home / "logs")
        try:
            if self._expects:
                # a folder that cannot be written is named where the data are opened
                with suppress(OSError):
                    await processes.warm(tiles=self._expects == "tiles")
            # the server side is heavier than the rest of the client
            from cryolattice.server.serving import (  # noqa: PLC0415
                choose_services,
                running_server,
            )

            if not structlog.is_configured():
                # its default is standard output, which belongs to the program's answer
                configure_logs(self._settings, quiet=True)
            async with running_server(
                self._settings, choose_services(["all"]), self.address, processes=processes
            ):
                self._ready.set()
                await self._stop.wait()
        finally:
            await processes.close()


def _started_threads(count: int) -> ThreadPoolExecutor:
    """Return a pool of threads that all run: none can be started once the program is ending."""
    pool = ThreadPoolExecutor(count, "cryolattice-server")
    everyone = threading.Barrier(count)
    for _ in range(count):
        pool.submit(everyone.wait)
    return pool
