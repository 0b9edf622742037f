"""The command line. Modules import what is heavy inside their commands: help must be quick."""
