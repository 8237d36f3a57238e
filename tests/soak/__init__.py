"""The soak: everything real, random faults, and a model that says which answers were possible.

Run it with `tox run -e soak -- --minutes 5 --seed 7`. The model knows neither the latches nor the
decision document: it looks at etcd itself and at the thresholds.
"""
