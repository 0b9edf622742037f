"""The ledger: jobs, their events, and which datasets a project has."""
