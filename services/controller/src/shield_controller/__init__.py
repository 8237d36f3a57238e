"""The controller: releases held PipelineRuns in order, and mirrors the decision into Kubernetes.

The only service with rights in the cluster. What all services share is in ``shield_common``;
nothing here may import the evaluator or the admitter.
"""
