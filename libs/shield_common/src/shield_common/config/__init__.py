"""Settings files: loader, errors, custom types and reload.

The settings themselves belong to each service.
"""
