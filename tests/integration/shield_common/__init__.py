"""The library's parts that only a real socket shows."""
