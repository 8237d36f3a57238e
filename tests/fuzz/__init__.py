"""Coverage-guided fuzzing of what comes from outside: reviews, runs, and what is read from Redis.

`targets` says what must hold for any bytes; `engine` makes the bytes; `corpus/` keeps those worth
trying again, each finding among them, and the unit tests replay all of it.
"""
