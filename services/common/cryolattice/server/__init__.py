"""The gRPC server: shared servicers, errors as statuses, health and reflection."""
