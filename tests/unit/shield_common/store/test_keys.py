"""Names in Redis, which others may rely on."""

from redis.crc import key_slot

from shield_common.store.keys import Keys


def test_the_names_are_those_of_the_documentation() -> None:
    assert (
        "etcd-shield:{rh01}:decision",
        "etcd-shield:{rh01}:allow",
        "etcd-shield:{rh01}:latches",
        "etcd-shield:{rh01}:epoch",
        "etcd-shield:{rh01}:lease",
        "etcd-shield:{rh01}:override",
        "etcd-shield:{rh01}:admitted",
        "etcd-shield:{rh01}:held",
    ) == tuple(vars(Keys("rh01")).values())


def test_all_keys_of_one_cluster_share_a_slot() -> None:
    assert 1 == len({key_slot(key.encode()) for key in vars(Keys("rh01")).values()})


def test_two_clusters_share_no_key() -> None:
    assert not set(vars(Keys("rh01")).values()) & set(vars(Keys("rh02")).values())
