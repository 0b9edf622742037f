"""``python -m cryolattice_analyzer run JOB``."""

from cryolattice_analyzer.service import main

raise SystemExit(main())
