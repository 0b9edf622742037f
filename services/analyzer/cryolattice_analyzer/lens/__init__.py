"""The lens: aberrations, and the fit of a film's rings."""
