"""HTTP/1.1 over TLS, as much as admission reviews need, with a bound on everything.

Belongs here: reading requests, writing answers, connections and their timeouts, accepting and
draining. Does not belong here: what a request means; an `interface.Service` says that. Why it is
not aiohttp's server: docs/adr/0030.
"""
