"""The admitter as a process, against real servers and hostile clients."""
