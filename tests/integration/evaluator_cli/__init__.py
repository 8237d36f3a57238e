"""The operators' commands as processes, against real servers."""
