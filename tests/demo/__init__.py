"""The product at work on real servers: `python -m tests.demo --help`.

The demo starts everything through `tests.rig`, plays the API server and the operator, shows what
happens, and judges at the end whether the shield held. Nothing here is part of the product.
"""
