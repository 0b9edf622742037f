"""Critical doses of a diffraction series."""
