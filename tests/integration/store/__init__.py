"""The store: one contract for all implementations, and what only a real Redis does."""
