"""The act on holding: a real API server, runs that wait, the controller, and the Decision object.

Clients create runs through the API server, which asks the admitters; a stand-in for Tekton starts
what is not pending. Nothing may be lost, whatever is killed or frozen, the API server included.
"""
