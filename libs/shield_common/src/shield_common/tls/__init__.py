"""TLS: server and client contexts, and what a certificate says."""
