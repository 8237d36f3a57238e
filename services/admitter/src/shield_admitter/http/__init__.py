"""The webhook's HTTP/1.1 server: httptools reads, this package decides how much a client may take.

Belongs here: accepting, TLS handshakes, deadlines, size limits, eviction and drain. Does not belong
here: what a request means; a `messages.Handler` decides that. Why httptools and not a whole server:
docs/adr/0080.
"""
