"""Reading a settings file: the loader, its errors and the custom types.

What the settings are belongs to each service.
"""
