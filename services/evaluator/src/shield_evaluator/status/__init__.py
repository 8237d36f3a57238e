"""The status page at the evaluator's ``/``, for people who were refused or paged.

Rendered on the server, without scripts and without anything from other hosts. It shows what the
cycle reported and decides nothing: ``board`` keeps the last result, ``snapshot`` holds the facts of
one moment, ``view`` and ``cards`` put them into words, ``chart`` computes the drawings, and
``page`` fills ``template.html`` and ``style.css``.
"""
