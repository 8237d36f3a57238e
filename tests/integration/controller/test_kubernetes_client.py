"""Requests of the controller against an API server that answers as it is told."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shield_common.held import HELD_LABEL
from shield_controller.core.release import release_patch
from shield_controller.core.runs import HeldRun
from shield_controller.kubernetes.client import (
    MAX_RETRY_AFTER,
    METADATA,
    METADATA_LIST,
    NO_ANSWER,
    KubernetesClient,
    KubernetesError,
)
from shield_controller.kubernetes.lease import DURATION_MS, GIVE_UP_MS, Leadership
from shield_controller.kubernetes.pipelineruns import PAGE_RUNS, Change, PipelineRuns
from tests.integration.controller.stub import (
    RUNS,
    Stub,
    bytes_of,
    hangs_up,
    says,
    streams,
    stub_server,
)
from tests.rig.lifetime import Rig


@pytest.fixture
async def server(rig: Rig) -> AsyncIterator[tuple[Stub, KubernetesClient]]:
    async with stub_server(rig) as made:
        yield made


@pytest.fixture
def stub(server: tuple[Stub, KubernetesClient]) -> Stub:
    return server[0]


@pytest.fixture
def client(server: tuple[Stub, KubernetesClient]) -> KubernetesClient:
    return server[1]


def item(name: str, **metadata: Any) -> dict[str, Any]:
    fields = {
        "name": name,
        "namespace": "team-a",
        "uid": f"uid-{name}",
        "resourceVersion": "5",
        "creationTimestamp": "2026-11-21T12:00:00Z",
        "labels": {HELD_LABEL: "standard"},
    }
    return {"metadata": fields | metadata}


def page(*items: dict[str, Any], more: str = "") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "7", "continue": more}, "items": list(items)}


async def failure(client: KubernetesClient) -> KubernetesError:
    with pytest.raises(KubernetesError) as caught:
        await client.request("GET", "/api")
    return caught.value


async def watched(client: KubernetesClient) -> list[Change]:
    return [change async for change in PipelineRuns(client).watch_held("7")]


async def test_held_runs_are_listed_by_metadata_page_by_page(
    stub: Stub, client: KubernetesClient
) -> None:
    stub.answers += [says(page(item("one"), more="next")), says(page(item("two")))]

    runs, version = await PipelineRuns(client).list_held()

    assert (["one", "two"], "7") == ([run.name for run in runs], version)
    query = f"labelSelector=etcd-shield.dev/held&limit={PAGE_RUNS}"
    assert [f"{RUNS}?{query}", f"{RUNS}?{query}&continue=next"] == [r[1] for r in stub.requests]
    assert {METADATA_LIST} == {headers["Accept"] for _, _, headers in stub.requests}
    assert {"Bearer secret"} == {headers["Authorization"] for _, _, headers in stub.requests}


async def test_an_empty_list_may_be_null(stub: Stub, client: KubernetesClient) -> None:
    stub.answers.append(says({"metadata": {"resourceVersion": "7"}, "items": None}))

    assert ([], "7") == await PipelineRuns(client).list_held()


async def test_items_that_are_no_runs_are_skipped_and_counted(
    stub: Stub, client: KubernetesClient
) -> None:
    counted: list[bool] = []
    bad = [{"metadata": {}}, {"metadata": item("x")["metadata"] | {"labels": ["a"]}}, 7, None]
    stub.answers.append(says(page(*bad, item("one"))))  # type: ignore[arg-type]  # garbage

    runs, _ = await PipelineRuns(client, on_malformed=lambda: counted.append(True)).list_held()

    assert ["one"] == [run.name for run in runs]
    assert 4 == len(counted)


@pytest.mark.shows("H8")
async def test_a_list_that_expires_between_two_pages_is_reported(
    stub: Stub, client: KubernetesClient
) -> None:
    expired = says({"message": "the provided continue parameter is too old"}, status=410)
    stub.answers += [says(page(item("one"), more="next")), expired]

    with pytest.raises(KubernetesError) as caught:
        await PipelineRuns(client).list_held()

    assert 410 == caught.value.status


async def test_a_watch_yields_changes_and_bookmarks(stub: Stub, client: KubernetesClient) -> None:
    gone = item("two", deletionTimestamp="2026-11-21T12:00:00Z", resourceVersion="9")
    stub.answers.append(
        streams(
            {"type": "ADDED", "object": item("one", resourceVersion="8")},
            {"type": "MODIFIED", "object": gone},
            {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "12"}}},
            {"type": "DELETED", "object": item("one", resourceVersion="13")},
        )
    )

    changes = await watched(client)

    assert ["7", "8", "9", "12", "13"] == [change.resource_version for change in changes]
    assert [None, "one", None, None, None] == [change.run and change.run.name for change in changes]
    assert METADATA == stub.requests[0][2]["Accept"]


@pytest.mark.shows("H8")
async def test_a_watch_from_a_compacted_version_is_reported(
    stub: Stub, client: KubernetesClient
) -> None:
    status = {"kind": "Status", "code": 410, "message": "too old resource version"}
    stub.answers.append(streams({"type": "ERROR", "object": status}))

    with pytest.raises(KubernetesError) as caught:
        await watched(client)

    assert 410 == caught.value.status


@pytest.mark.shows("H8")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(hangs_up, id="closed at once"),
        pytest.param(streams({"type": "ADDED", "object": item("a")}, then_break=True), id="broken"),
        pytest.param(bytes_of(b"<html>proxy</html>\n"), id="no JSON"),
        pytest.param(bytes_of(b'{"type": 7}\n'), id="no event"),
        pytest.param(bytes_of(b"x" * 9 * 2**20), id="a line of 9 MiB"),
    ],
)
async def test_a_broken_watch_is_an_error_of_the_api_server(
    stub: Stub, client: KubernetesClient, answer: Any
) -> None:
    stub.answers.append(answer)

    with pytest.raises(KubernetesError):
        await watched(client)


@pytest.mark.shows("H8")
@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("100000", MAX_RETRY_AFTER), ("soon", None), ("-1", None), (None, None)],
)
async def test_an_overloaded_api_server_says_when_to_come_back(
    stub: Stub, client: KubernetesClient, header: str | None, seconds: float | None
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    stub.answers.append(says({"message": "too many requests"}, status=429, headers=headers))

    error = await failure(client)

    assert (429, seconds, "too many requests") == (error.status, error.retry_after, str(error))


@pytest.mark.shows("H8")
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>busy</html>", b"\xff", b'{"message": 5}', b'{"a": ' + b"[" * 3000],
    ids=["empty", "HTML", "no UTF-8", "another type", "nested"],
)
async def test_an_error_in_another_form_has_its_status(
    stub: Stub, client: KubernetesClient, body: bytes
) -> None:
    stub.answers.append(bytes_of(body, status=503))
    error = await failure(client)
    assert (503, "503 Service Unavailable") == (error.status, str(error))


async def test_no_answer_is_no_status(stub: Stub, client: KubernetesClient) -> None:
    stub.answers += [hangs_up, hangs_up]  # aiohttp sends a GET again once

    assert NO_ANSWER == (await failure(client)).status


async def test_a_refused_login_reads_the_credentials_again(
    rig: Rig, stub: Stub, client: KubernetesClient
) -> None:
    stub.answers += [says({"message": "Unauthorized"}, status=401), says({})]
    assert 401 == (await failure(client)).status
    kubeconfig = rig.directory / "kubeconfig"
    kubeconfig.write_text(kubeconfig.read_text().replace("secret", "rotated"))

    await client.request("GET", "/api")

    assert "Bearer rotated" == stub.requests[1][2]["Authorization"]


@pytest.mark.parametrize(
    "date",
    [
        "noon",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Thu, 01 Jan 2026 00:00:00 +99999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ],
)
async def test_a_date_that_no_clock_shows_is_not_followed(
    stub: Stub, client: KubernetesClient, date: str
) -> None:
    stub.answers.append(says({}, headers={"Date": date}))

    await client.request("GET", "/api")

    assert timedelta(minutes=1) > abs(client.now - datetime.now(UTC))


@pytest.mark.shows("H8")
async def test_ages_count_on_the_api_server_s_clock(stub: Stub, client: KubernetesClient) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    date = f"{tomorrow:%a, %d %b %Y %H:%M:%S} GMT"
    stub.answers.append(says({}, headers={"Date": date}))

    await client.request("GET", "/api")

    assert timedelta(minutes=1) > abs(client.now - tomorrow)


async def test_a_release_is_one_json_patch(stub: Stub, client: KubernetesClient) -> None:
    run = HeldRun(
        uid="u", namespace="team-a", name="one", tier="standard", created=datetime.now(UTC)
    )
    stub.answers.append(says(item("one", labels={})))

    assert await PipelineRuns(client).patch(run, release_patch(run)) is None

    method, path, headers = stub.requests[0]
    assert ("PATCH", "application/json-patch+json") == (method, headers["Content-Type"])
    assert path.startswith("/apis/tekton.dev/v1/namespaces/team-a/pipelineruns/one?")
    assert release_patch(run) == stub.bodies[0]


class Clock:
    """A monotonic clock that is stepped."""

    ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


def lease(holder: str, version: str) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": holder}}


def candidate(client: KubernetesClient, clock: Clock) -> Leadership:
    return Leadership(client, namespace="n", name="lease", holder="me", now_ms=clock)


async def test_a_free_lease_is_taken(stub: Stub, client: KubernetesClient) -> None:
    leadership = candidate(client, Clock())
    stub.answers += [says({"message": "not found"}, status=404), says(lease("me", "1"), status=201)]

    await leadership.renew()

    assert leadership.is_leader


async def test_of_two_that_write_at_once_one_leads(stub: Stub, client: KubernetesClient) -> None:
    leadership = candidate(client, Clock())
    stub.answers += [says(lease("", "1")), says({"message": "conflict"}, status=409)]

    await leadership.renew()

    assert not leadership.is_leader
    assert leadership.problem is None


async def test_another_s_lease_is_taken_once_it_has_not_changed_for_long(
    stub: Stub, client: KubernetesClient
) -> None:
    clock = Clock()
    leadership = candidate(client, clock)
    for elapsed, version in [(0, "1"), (DURATION_MS - 1, "2"), (DURATION_MS - 1, "2")]:
        clock.ms += elapsed
        stub.answers.append(says(lease("other", version)))
        await leadership.renew()
        assert not leadership.is_leader
    clock.ms += 1
    stub.answers += [says(lease("other", "2")), says(lease("me", "3"))]

    await leadership.renew()

    assert leadership.is_leader


async def test_a_leader_that_cannot_renew_steps_down_before_others_take_over(
    stub: Stub, client: KubernetesClient
) -> None:
    clock = Clock()
    leadership = candidate(client, clock)
    stub.answers += [says(lease("", "1")), says(lease("me", "2"))]
    await leadership.renew()
    clock.ms += GIVE_UP_MS - 1
    seen = [leadership.is_leader]

    clock.ms += 1
    await leadership.renew()  # 500

    assert [True, False] == [*seen, leadership.is_leader]
    assert GIVE_UP_MS < DURATION_MS
