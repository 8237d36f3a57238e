"""Real servers on loopback, for tests, the demo, benchmarks and soak runs.

`lifetime.Rig` owns one temporary directory, its ports and its processes; a server (`redis`,
`prometheus`, `etcd`, `services`) is built on a rig and started, stopped, killed, frozen and thawed.
`certificates` issues what TLS needs and `reviews` invents what the API server sends.

What belongs here starts, speaks to or feeds a real program. What does not: expectations about the
product (they are tests) and stand-ins for it (there are none).
"""
