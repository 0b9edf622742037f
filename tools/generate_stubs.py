"""Generate services/common/cryolattice_api from protos/. With --check, fail where it is stale."""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
PACKAGE = ROOT / "services/common/cryolattice_api"


def generate(destination: Path) -> None:
    """Write the package into `destination`/cryolattice_api."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    kinds = ("python", "grpc_python", "mypy", "mypy_grpc")
    outputs = [f"--{kind}_out={destination}" for kind in kinds]
    includes = [f"-I{PROTOS}", f"-I{ROOT / 'third_party/googleapis'}"]
    subprocess.run(  # noqa: S603
        [sys.executable, "-m", "grpc_tools.protoc", *includes, *outputs, *sources],
        check=True,
        cwd=PROTOS,
        # protoc finds the mypy plugins beside this interpreter
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    package = destination / "cryolattice_api"
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").touch()
    (package / "py.typed").touch()


def stale_files(fresh: Path) -> list[str]:
    """Names of the files that differ between the committed package and `fresh`."""

    def names(root: Path) -> set[str]:
        sources = (path for path in root.rglob("*") if path.suffix in {".py", ".pyi"})
        return {str(path.relative_to(root)) for path in sources}

    everything = names(fresh) | names(PACKAGE)
    _, differing, missing = filecmp.cmpfiles(fresh, PACKAGE, everything, shallow=False)
    return sorted(differing + missing)


def main() -> int:
    """Generate, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = Path(folder) / "cryolattice_api"
        if not check:
            shutil.rmtree(PACKAGE, ignore_errors=True)
            shutil.copytree(fresh, PACKAGE)
            return 0
        stale = stale_files(fresh)
    if stale:
        print("stale stubs: run 'make stubs'\n  " + "\n  ".join(stale), file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
