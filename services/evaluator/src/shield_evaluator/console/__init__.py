"""What operators see and do in an incident, through Redis: the status, and overrides.

Neither needs the evaluator to answer: what is shown is what the admitters would read.
"""
