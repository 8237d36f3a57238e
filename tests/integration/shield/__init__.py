"""Everything together: the promise itself, on real servers."""
