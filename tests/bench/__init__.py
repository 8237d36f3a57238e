"""Benchmarks of the admitter beside yardsticks, all in one run: ratios, never timed tests."""
