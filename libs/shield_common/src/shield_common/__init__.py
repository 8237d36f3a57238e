"""The library that both etcd-shield services share.

Belongs here: the decision document and its store, settings loading, logs, the probes server, TLS
and the process lifecycle. Does not belong here: anything that only one service needs, and any
knowledge of either service.
"""
