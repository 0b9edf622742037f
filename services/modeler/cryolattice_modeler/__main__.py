"""``python -m cryolattice_modeler run JOB``."""

from cryolattice_modeler.service import main

raise SystemExit(main())
