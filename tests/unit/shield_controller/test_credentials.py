"""Kubeconfig files that cannot be used."""

from pathlib import Path

import pytest

from shield_controller.kubernetes.client import KubernetesClient, KubernetesError
from shield_controller.settings import KubernetesSettings

TOKEN = "c2VjcmV0"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "][",
        "42",
        f"[{TOKEN}]",
        f"users: {TOKEN}: [",
        "{current-context: a, contexts: 5}",
        "{current-context: a, contexts: [{name: a, context: {cluster: c}}], clusters: [{name: c}]}",
    ],
    ids=["empty", "no yaml", "a number", "a list", "half", "contexts", "cluster without server"],
)
async def test_a_malformed_kubeconfig_is_an_error_that_quotes_nothing(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    client = KubernetesClient(KubernetesSettings(kubeconfig=str(path), context=None))
    with pytest.raises(KubernetesError, match="no credentials: ") as refused:
        await client.request("GET", "/api")
    await client.close()
    assert TOKEN not in str(refused.value)
