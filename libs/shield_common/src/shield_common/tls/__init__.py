"""TLS: server and client contexts, and reading certificates."""
