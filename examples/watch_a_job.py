"""Submit a simulation to a server, leave, find it again and wait for it.

cryolattice serve all                                   # in another terminal
python examples/watch_a_job.py localhost:50051
"""

from __future__ import annotations

import sys
from pathlib import Path

import cryolattice

PARENT = Path(__file__).parent / "na2nh2bh4" / "na2nh2bh4_cubic.cif"


def main(server: str = "localhost:50051") -> None:
    with cryolattice.connect(server, show_progress=False) as lab:
        name = lab.submit_simulation(PARENT, thickness_step_angstrom=18.8).name
    print("submitted", name)

    # the name is all that another process needs; Ctrl-C here would leave the job running
    with cryolattice.connect(server, show_progress=False) as lab:
        job = lab.job(name)
        for now in job.watch():
            print(now.state, now.progress, now.state_message)
        if job.error is not None:
            raise job.error
        beams = job.wait()
        psi = beams["psi"]
        print("psi", dict(psi.sizes), f"{psi.nbytes:,} bytes")
        print("transmitted at the last thickness:", abs(psi[0, 0, -1, 0].values.item()) ** 2)


if __name__ == "__main__":
    main(*sys.argv[1:])
