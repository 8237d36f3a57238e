"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# Nothing is timed here: a busy machine must not fail a property (CONTRIBUTING).
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
