"""`--hold`: the flood through a real API server, where runs that have to wait are held.

A run that would be denied or paced exists as pending until the controller starts it. A stand-in for
Tekton's controller does to etcd what started runs do.
"""
