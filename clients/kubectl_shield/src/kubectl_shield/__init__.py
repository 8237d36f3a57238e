"""``kubectl shield``: what an operator asks of an etcd-shield, from where kubectl is.

The plugin has no client of its own: kubectl authenticates, chooses the cluster and carries the
streams, and the programs in the pods do the work. So it needs no rights besides those of its user,
no configuration of the shield, and no dependency but click. It may import nothing of the services.
"""
