"""The status page at the evaluator's ``/``, for people who were refused or paged.

Rendered on the server, without scripts and without anything from other hosts. It shows the result
of the last cycle and decides nothing. ``board`` keeps that result, ``snapshot`` holds the facts of
one moment, ``view``, ``cards`` and ``advice`` put them into words, ``chart`` computes the drawings,
and ``page`` fills ``template.html`` and ``style.css``.
"""
