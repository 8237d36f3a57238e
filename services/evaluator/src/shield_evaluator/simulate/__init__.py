"""The closed loop, simulated: what a configuration makes of etcd while runs arrive.

``world`` describes what is simulated, ``scenarios`` names some. ``etcd``, ``clients`` and
``shield`` are its three parts, ``loop`` runs them against each other and reports an ``outcome``;
``variants`` compares configurations; ``tables`` and ``plot`` show them. The shield is the product's
own: the evaluator's core and the admitters' bucket. Nothing that moves a latch or hands out room
belongs here.

No module but ``plot`` reaches a network, clock or file, and chance has a seed: the same world gives
the same outcome on every machine.
"""
