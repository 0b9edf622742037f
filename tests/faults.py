"""What can go wrong in the middle of a sweep: a fault hits a system and returns what mends it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from cryolattice.error_status import from_status
from cryolattice.errors import CorruptDataError, CryolatticeError, StoreUnavailableError
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import TERMINAL
from cryolattice.store.array_store import open_store
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.simulator.v1 import simulator_pb2
from tests.killable_system import BIN, System

WATCHERS = 200
_CLIENT_SECONDS = 3.0
# sends a header and then a little of a file for ever
_ENDLESS_UPLOAD = """
import sys, time
from cryolattice.client.calls import open_channel
from cryolattice_api.common.v1 import dataset_service_pb2 as pb, dataset_service_pb2_grpc as rpc
def parts():
    header = pb.UploadHeader(parent="projects/default", file_name="half", role=pb.FILE_ROLE_PLAIN)
    yield pb.UploadFileRequest(header=header)
    while True:
        yield pb.UploadFileRequest(data=bytes(100000))
        time.sleep(0.05)
with open_channel(sys.argv[1]) as channel:
    rpc.DatasetServiceStub(channel).UploadFile(parts())
"""


@dataclass(frozen=True)
class Hit:
    """What a fault hits: the system, the job that sweeps, and the question it answers."""

    system: System
    ledger: Ledger
    job: str
    request: simulator_pb2.CreateSweepJobRequest
    rng: Random


Mend = Callable[[], None]
Fault = Callable[[Hit], Mend]


def kill_service(hit: Hit) -> Mend:
    """Kill the replica that drives the sweep; its driver ends by itself."""
    system, driver = hit.system, hit.system.driver()
    number = next(
        (n for n, server in enumerate(system.servers) if driver and server.pid == driver.ppid()), 0
    )
    system.servers[number].kill()
    system.servers[number].wait()

    def mend() -> None:
        system.servers[number] = system.start_server(number)

    return mend


def kill_driver(hit: Hit) -> Mend:
    """Kill the process that drives the sweep."""
    driver = hit.system.driver()
    if driver is not None:
        driver.kill()
    return lambda: None


def kill_worker(hit: Hit) -> Mend:
    """Kill a Ray worker in the middle of a tile."""
    for worker in hit.system.tile_workers()[:1]:
        worker.kill()
    return lambda: None


def kill_node(hit: Hit) -> Mend:
    """Kill the second node of the Ray cluster; it comes back."""
    hit.system.ray.kill_node()
    return hit.system.ray.add_node


def kill_store(hit: Hit) -> Mend:
    """Kill the S3 server for a while."""
    hit.system.bucket.kill()
    return hit.system.bucket.start


def kill_database(hit: Hit) -> Mend:
    """Kill PostgreSQL for a while."""
    hit.system.database.kill()
    return hit.system.database.start


def _resume_failed(hit: Hit, expected: type[CryolatticeError]) -> None:
    """Resume the job if it failed; another reason than the expected one is an error."""
    job = hit.ledger.get(hit.job).job
    if job.state != job_pb2.JOB_STATE_FAILED:
        return
    error = from_status(job.error)
    if not isinstance(error, expected):
        raise error
    with hit.system.connect(0) as connection:
        connection.resume_job(hit.job)


def flip_bits(hit: Hit) -> Mend:
    """Flip a bit of every chunk that is stored so far; the job fails, and is resumed."""
    store = open_store(hit.system.store_url)
    chunks = [
        key for key, _ in store.list("datasets/beams") if "/data.zarr/" in key and "/c/" in key
    ]
    for key in chunks:
        data = bytearray(store.get(key))
        data[hit.rng.randrange(len(data))] ^= 1 << hit.rng.randrange(8)
        store.delete(key)
        store.put_new(key, bytes(data))
    return lambda: _resume_failed(hit, CorruptDataError)


def fill_disk(hit: Hit) -> Mend:
    """Fill the store's disk; the job fails, and is resumed when there is space again."""
    if hit.system.disk is None:
        raise ValueError("the store lies in a bucket")
    filler = hit.system.disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))

    def mend() -> None:
        filler.unlink()
        _resume_failed(hit, StoreUnavailableError)

    return mend


def ask_twice(hit: Hit) -> Mend:
    """Ask the other replica the same; both jobs have one answer."""
    with hit.system.connect(1) as connection:
        other = connection.call(connection.simulator.CreateSweepJob, hit.request).job.name

    def mend() -> None:
        with hit.system.connect(1) as connection:
            jobs = [connection.get_job(name) for name in (hit.job, other)]
            outputs = {connection.wait_for(job).name for job in jobs}
        if len(outputs) != 1:
            raise RuntimeError(f"two answers to one question: {outputs}")

    return mend


def kill_clients(hit: Hit) -> Mend:
    """Kill a client in the middle of watching and one in the middle of an upload."""
    address = hit.system.address(0)
    clients = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in (
            [str(BIN / "cryolattice"), "jobs", "watch", hit.job, "--server", address],
            [sys.executable, "-c", _ENDLESS_UPLOAD, address],
        )
    ]
    with suppress(subprocess.TimeoutExpired):
        clients[0].wait(_CLIENT_SECONDS)
    ended = [client.poll() is not None for client in clients]
    with hit.system.connect(0) as connection:
        watched = connection.get_job(hit.job).state
    # a watcher of a job that has ended is right to end
    if ended[1] or (ended[0] and watched not in TERMINAL):
        raise RuntimeError("a client ended before it was killed")
    for client in clients:
        client.kill()
        client.wait()

    def mend() -> None:
        left = [key for key, _ in open_store(hit.system.store_url).list("datasets/file")]
        if left:
            raise RuntimeError(f"an upload that was not finished left {left}")

    return mend


def watch(hit: Hit) -> Mend:
    """Have many clients watch the job, at both replicas; all see its end."""

    def last(number: int) -> job_pb2.JobState.ValueType:
        with hit.system.connect(number % 2) as connection:
            *_, job = connection.watch_job(hit.job)
        return job.state

    pool = ThreadPoolExecutor(WATCHERS)
    ends = [pool.submit(last, number) for number in range(WATCHERS)]

    def mend() -> None:
        with pool:
            states = {end.result() for end in ends}
        if not states <= TERMINAL:
            raise RuntimeError(f"watchers were left in {states}")

    return mend


# a full disk needs a system with a disk
FAULTS: dict[str, Fault] = {
    "service killed": kill_service,
    "driver killed": kill_driver,
    "ray worker killed": kill_worker,
    "ray node killed": kill_node,
    "store killed": kill_store,
    "database killed": kill_database,
    "bits flipped": flip_bits,
    "disk full": fill_disk,
    "asked twice": ask_twice,
    "clients killed": kill_clients,
    "200 watchers": watch,
}
