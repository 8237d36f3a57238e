"""Tests of etcd-shield, the rig that starts real servers for them, and the demo."""
