"""The status page: what a person who was refused, or paged, sees at the evaluator's ``/``.

Server-rendered, without a script and without anything from elsewhere. It shows facts that the cycle
reported and decides nothing. `facts` is all that it is made from, `serve` the only part that knows
HTTP.
"""
