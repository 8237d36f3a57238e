"""Names of etcd members, from the labels of their series.

Series are distinguished by their whole label set: two series are two members, even with one name.
So names have to differ wherever label sets do.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from msgspec import UNSET, Struct, UnsetType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class MemberLabels(Struct, gc=False):
    """The labels that usually name an etcd member, in order of preference."""

    instance: str | UnsetType = UNSET
    pod: str | UnsetType = UNSET
    member: str | UnsetType = UNSET
    node: str | UnsetType = UNSET


MEMBER_LABELS: Final = MemberLabels.__struct_fields__
# What tells clusters apart, and etcds of one cluster. The etcds of hosted control planes have pods
# of the same names in different namespaces.
CLUSTER_LABELS: Final = ("cluster", "cluster_id", "clusterID", "cluster_name", "tenant_id")
ETCD_LABELS: Final = (*CLUSTER_LABELS, "namespace")


def member_names(
    label_sets: Sequence[Mapping[str, str]], member_label: str | None = None
) -> list[str]:
    """Return a name for each series.

    Args:
        label_sets: the labels of each series; they are distinct.
        member_label: the label that names the member, if it is configured. Series with the same
            value of it are then one member, unless they belong to different clusters or namespaces.

    Returns:
        The value of the first of `MEMBER_LABELS` that every series has and that differs between
        all of them. Without such a label, each series' first one, followed by the labels in which
        it differs from series of the same name.
    """
    if member_label is not None:
        return _configured_names(label_sets, member_label)
    for label in MEMBER_LABELS:
        values = {labels.get(label) for labels in label_sets}
        if None not in values and len(values) == len(label_sets):
            return [labels[label] for labels in label_sets]
    names = [_first_label(labels) for labels in label_sets]
    shared = {name for name, count in Counter(names).items() if count > 1}
    differing = {
        name: _differing([s for s, n in zip(label_sets, names, strict=True) if n == name])
        for name in shared
    }
    return [
        name if name not in shared else _with_labels(name, labels, differing[name])
        for name, labels in zip(names, label_sets, strict=True)
    ]


def _configured_names(label_sets: Sequence[Mapping[str, str]], member_label: str) -> list[str]:
    differing = [
        label
        for label in ETCD_LABELS
        if label != member_label and len({s[label] for s in label_sets if label in s}) > 1
    ]
    names = []
    for labels in label_sets:
        name = labels.get(member_label) or _all_labels(labels)
        present = [label for label in differing if label in labels]
        names.append(_with_labels(name, labels, present) if present else name)
    return names


def _first_label(labels: Mapping[str, str]) -> str:
    for label in MEMBER_LABELS:
        if label in labels:
            return labels[label]
    return _all_labels(labels)


def _all_labels(labels: Mapping[str, str]) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted(labels.items()) if k != "__name__")


def _differing(label_sets: Sequence[Mapping[str, str]]) -> list[str]:
    names = {label for labels in label_sets for label in labels}
    return sorted(n for n in names if len({labels.get(n) for labels in label_sets}) > 1)


def _with_labels(name: str, labels: Mapping[str, str], which: Sequence[str]) -> str:
    listed = ", ".join(f"{label}={labels[label]}" for label in which if label in labels)
    return f"{name} ({listed})"
