"""``python -m cryolattice_simulator run JOB``."""

from cryolattice_simulator.service import main

raise SystemExit(main())
