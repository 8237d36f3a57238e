"""How hypothesis runs here."""

from hypothesis import settings

# A busy machine is no failure: nothing here is about time.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
