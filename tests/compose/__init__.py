"""The compose stack on a real engine: `tox run -e compose`.

What needs no engine is in `tests/unit/compose` and `tests/integration/compose`, and uses
`compose_file` from here.
"""
