"""The images as a cluster would run them: built, then the demo inside them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from tests.deploy.manifests import ROOT
from tests.servers import S3Server, free_port, postgresql

IMAGES = ROOT / "deploy" / "images"
DATA = ROOT / "examples" / "na2nh2bh4"
SERVICES = ("modeler", "simulator", "analyzer")
VERSION = "0.1.0"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces for the images"),
]


def _image(name: str) -> str:
    return f"localhost/cryolattice-{name}:{VERSION}"


def _stored(image: str) -> bool:
    found = subprocess.run(
        ["buildah", "images", "--quiet", image], capture_output=True, check=False
    )
    return found.returncode == 0


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    """Build what is missing; ``make images`` builds everything anew."""
    missing = [name for name in (*SERVICES, "ray") if not _stored(_image(name))]
    if not missing:
        return
    environment = dict(os.environ)
    if "BASE" not in environment:
        if not _stored("localhost/cryolattice-base"):
            subprocess.run([IMAGES / "base.sh"], check=True)
        environment |= {
            "BASE": "localhost/cryolattice-base",
            "BUILDER": "localhost/cryolattice-builder",
        }
    subprocess.run([IMAGES / "build.sh", *missing], env=environment, check=True)


def _command(
    name: str, data: Path, environment: dict[str, str], command: list[str], mounts: list[Path]
) -> list[str]:
    return [
        *(str(IMAGES / "run.sh"), _image(name), str(data)),
        *(f"{key}={value}" for key, value in environment.items()),
        *(part for folder in mounts for part in ("--mount", str(folder))),
        *("--", *command),
    ]


@contextmanager
def _running(
    name: str, folder: Path, environment: dict[str, str], command: list[str], sign: str
) -> Iterator[None]:
    """Run an image until told to end; `sign` in its log says that it is ready."""
    log = folder / f"{name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            _command(name, folder / name, environment, command, []),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 180
        while sign not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield
    finally:
        # also after a failure: what runs in the image has no other parent
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    # Ray ends its processes in its own way
    assert code == 0 or name == "ray", log.read_text()


def test_the_demo_runs_inside_them(tmp_path: Path) -> None:
    port, gcs, client = free_port(), free_port(), free_port()
    token = uuid4().hex * 2
    bucket = S3Server(tmp_path / "s3" / "data")
    with ExitStack() as stack:
        ledger_url = stack.enter_context(postgresql(port=port)).new_url()
        bucket.start()
        stack.callback(bucket.kill)
        store = {"CRYOLATTICE_STORE_URL": bucket.url, **bucket.environment}
        ray = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
        head = [
            *("ray", "start", "--head", "--block", "--num-cpus=2", f"--port={gcs}"),
            *(f"--ray-client-server-port={client}", f"--dashboard-port={free_port()}"),
        ]
        stack.enter_context(
            _running("ray", tmp_path, {**store, **ray}, head, "Ray runtime started")
        )
        addresses = []
        for service in SERVICES:
            listen = free_port()
            addresses.append(f"{service}=127.0.0.1:{listen}")
            environment = {
                **store,
                **ray,
                "RAY_ADDRESS": f"ray://127.0.0.1:{client}",
                "CRYOLATTICE_LEDGER_URL": ledger_url,
            }
            command = ["cryolattice", "serve", service, "--port", str(listen), "--metrics-port=0"]
            stack.enter_context(_running(service, tmp_path, environment, command, "serving"))
        done = subprocess.run(
            _command(
                "modeler",
                tmp_path / "user",
                {"CRYOLATTICE_SERVER": ",".join(addresses)},
                [
                    *("cryolattice", "identify", str(DATA / "micrograph_a.mrc"), "--json"),
                    *("--parent", str(DATA / "na2nh2bh4_cubic.cif"), "--supercell", "2", "2", "1"),
                    *("--dose", "22", "--energy-kev", "300", "--cs-mm", "2.7"),
                    *("--out", "/var/lib/cryolattice/report"),
                ],
                [DATA],
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["verdict"] == "ordered"
        assert (tmp_path / "user" / "report" / "report.html").exists()


@pytest.mark.parametrize("name", [*SERVICES, "ray"])
def test_a_final_stage_holds_no_tools(name: str, tmp_path: Path) -> None:
    script = (
        "test ! -w / && test ! -w /opt/cryolattice && touch /tmp/x /var/lib/cryolattice/x && "
        "for tool in gcc make pip pip3 hatchling; do ! command -v $tool || exit 1; done; id -u"
    )
    done = subprocess.run(
        _command(name, tmp_path / "data", {}, ["sh", "-c", script], []),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "10001"
