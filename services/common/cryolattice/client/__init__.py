"""The client: calls a deployment, or a private server in this process."""
