"""Events of jobs for many watchers: the ledger is asked once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog

from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import TERMINAL
from cryolattice_api.common.v1 import job_pb2

log = structlog.get_logger()

_POLL_SECONDS = 0.15

Event = tuple[int, job_pb2.Job]


@dataclass
class _Watched:
    """A job that somebody watches: how far its events are known, and to whom they go."""

    after: int
    version: int = -1
    queues: set[asyncio.Queue[Event | None]] = field(default_factory=set)


def _whole(event: job_pb2.Job, job: job_pb2.Job) -> job_pb2.Job:
    """Return an event's job with its spec; events are shared by those who watch."""
    whole = job_pb2.Job()
    whole.CopyFrom(event)
    if job.HasField("spec"):
        whole.spec.CopyFrom(job.spec)
    return whole


class Watchers:
    """Follows every watched job with one query, and reads the events of those that changed.

    Parameters
    ----------
    ledger : Ledger
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._watched: dict[str, _Watched] = {}
        self._poller: asyncio.Task[None] | None = None

    async def follow(self, name: str, after: int) -> AsyncIterator[Event]:
        """Yield the events of a job after an event id, until it has ended; the first has its spec.

        Parameters
        ----------
        name : str
            The job.
        after : int
            0 begins with the present state.

        Raises
        ------
        JobNotFoundError
            There is none of this name.
        """
        # asked before the events are read: none can come after the last of an ended job
        record = await asyncio.to_thread(self._ledger.get, name)
        events = await asyncio.to_thread(self._ledger.events, name, after)
        last = events[-1][0] if events else after
        begun = False
        for event_id, job in events if after else events[-1:]:
            yield event_id, job if begun else _whole(job, record.job)
            begun = True
        if record.job.state in TERMINAL or (events and events[-1][1].state in TERMINAL):
            return
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._register(name, last, queue)
        try:
            while (event := await queue.get()) is not None:
                # those that another watcher lacked come again
                if event[0] > last:
                    last = event[0]
                    yield event if begun else (last, _whole(event[1], record.job))
                    begun = True
                    if event[1].state in TERMINAL:
                        return
        finally:
            self._forget(name, queue)

    def _register(self, name: str, after: int, queue: asyncio.Queue[Event | None]) -> None:
        watched = self._watched.setdefault(name, _Watched(after))
        watched.after = min(watched.after, after)
        watched.version = -1
        watched.queues.add(queue)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())

    def _forget(self, name: str, queue: asyncio.Queue[Event | None]) -> None:
        watched = self._watched[name]
        watched.queues.discard(queue)
        if not watched.queues:
            del self._watched[name]

    async def _poll(self) -> None:
        while self._watched:
            try:
                await self._read_changed()
            except Exception as error:
                # the ledger may be away for a moment: the events are still there when it is back
                log.warning("events not read", error=str(error))
            await asyncio.sleep(_POLL_SECONDS)

    async def _read_changed(self) -> None:
        asked = list(self._watched)
        versions = await asyncio.to_thread(self._ledger.versions, asked)
        for name in asked:
            watched, version = self._watched.get(name), versions.get(name)
            if watched is None or version == watched.version:
                continue
            after = watched.after
            events: list[Event | None] = [None]  # a job that was deleted has no more
            if version is not None:
                events = [*await asyncio.to_thread(self._ledger.events, name, after)]
            for queue in watched.queues:
                for event in events:
                    queue.put_nowait(event)
            # unless somebody registered meanwhile who lacks earlier ones
            if watched.after == after:
                watched.version = -1 if version is None else version
                watched.after = max([after, *(event[0] for event in events if event)])
