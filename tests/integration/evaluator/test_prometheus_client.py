"""The Prometheus client against a server that misbehaves in every way (P1 to P3, P5)."""

import asyncio
import gzip
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shield_common.config.loader import convert
from shield_evaluator.core.observation import Observation
from shield_evaluator.core.plan import OnBlind, Plan, SignalPlan, Threshold, Unit
from shield_evaluator.prometheus.client import PrometheusClient
from shield_evaluator.prometheus.response import KINDS, PrometheusError
from shield_evaluator.prometheus.settings import PrometheusSettings
from shield_evaluator.prometheus.source import PrometheusSource, SignalQuery
from shield_evaluator.prometheus.transport import MAX_ANSWER_BYTES
from tests.integration.evaluator.stub import (
    Answer,
    Stub,
    dripping,
    endless,
    frozen,
    json,
    raw,
    serving,
    vector,
)
from tests.rig.certificates import Authority
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK

BUDGET = 5.0  # seconds; far more than loopback needs
SHORT = 0.5  # seconds; for what is known to use it up
SOON = 10.0  # seconds; generous, and far from what a missing deadline would take


def settings(*stubs: Stub | str, **more: object) -> PrometheusSettings:
    urls = [stub if isinstance(stub, str) else stub.url for stub in stubs]
    return convert({"urls": urls, **more}, PrometheusSettings)


async def failure(asked: PrometheusSettings, *, budget: float = BUDGET) -> PrometheusError:
    client = PrometheusClient(asked)
    try:
        async with asyncio.timeout(SOON):
            with pytest.raises(PrometheusError) as caught:
                await client.query("up", budget=budget)
    finally:
        await client.close()
    return caught.value


async def values(
    asked: PrometheusSettings, *, budget: float = BUDGET, members: int | None = None
) -> list[float]:
    client = PrometheusClient(asked)
    try:
        answer = await client.query("up", budget=budget, members=members)
    finally:
        await client.close()
    return [sample.value for sample in answer.samples]


def nobody(rig: Rig) -> str:
    """Return the URL of a port that nobody listens on."""
    return f"http://{LOOPBACK}:{rig.ports.reserve()}"


async def test_samples_of_an_answer_are_returned() -> None:
    async with serving(json(vector(0.1, 0.9, 0.5))) as stub:
        assert [0.1, 0.9, 0.5] == await values(settings(stub))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(
            json({"status": "error", "errorType": "bad_data", "error": "x"}, status=400),
            "bad_query",
            id="400",
        ),
        pytest.param(raw(b"", status=401), "unauthorized", id="401"),
        pytest.param(raw(b"", status=403), "unauthorized", id="403"),
        pytest.param(raw(b"", status=404), "status", id="404"),
        pytest.param(json({"status": "error"}, status=422), "bad_query", id="422"),
        pytest.param(raw(b"", status=429), "unavailable", id="429"),
        pytest.param(raw(b"", status=500), "unavailable", id="500"),
        pytest.param(raw(b"<html>", status=503), "unavailable", id="503"),
        pytest.param(raw(b"<html>login</html>"), "malformed", id="HTML"),
        pytest.param(raw(b'{"status":"success","data":{'), "malformed", id="truncated"),
        pytest.param(raw(b""), "malformed", id="empty"),
        pytest.param(raw(b"\xff\xfe"), "malformed", id="not UTF-8"),
        pytest.param(raw(b"[" * 200_000), "malformed", id="nested"),
        pytest.param(json({"status": "error", "error": "x"}), "malformed", id="error with 200"),
        pytest.param(json({"status": "success"}), "malformed", id="no data"),
        pytest.param(
            json({"status": "success", "data": {"resultType": "vector", "result": [{}]}}),
            "malformed",
            id="a series without a value",
        ),
        pytest.param(json(vector("many")), "malformed", id="a value that is no number"),
        pytest.param(
            json({"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}}),
            "wrong_type",
            id="scalar",
        ),
        pytest.param(
            json({"status": "success", "data": {"resultType": "string", "result": [1, "x"]}}),
            "wrong_type",
            id="string",
        ),
        pytest.param(
            json({"status": "success", "data": {"resultType": "matrix", "result": []}}),
            "wrong_type",
            id="matrix",
        ),
        pytest.param(raw(b" " * (MAX_ANSWER_BYTES + 1)), "too_large", id="4 MiB + 1"),
        pytest.param(
            raw(b"", status=302, headers={"Location": "http://evil.example/"}),
            "redirect",
            id="redirect",
        ),
        pytest.param(
            raw(b"x", headers={"Content-Encoding": "gzip"}), "malformed", id="compressed, unasked"
        ),
    ],
)
async def test_p2_p3_a_bad_answer_has_a_class(answer: Answer, kind: str) -> None:
    async with serving(answer) as stub:
        assert kind == (await failure(settings(stub))).kind
    assert kind in KINDS


async def test_the_servers_error_message_is_in_the_error() -> None:
    body = {"status": "error", "errorType": "bad_data", "error": "parse error: unexpected <EOF>"}
    async with serving(json(body, status=400)) as stub:
        error = await failure(settings(stub))
    assert str(error).endswith("HTTP 400 bad_data: parse error: unexpected <EOF>")


async def test_p1_a_closed_port_is_a_connection_error(rig: Rig) -> None:
    url = nobody(rig)
    error = await failure(settings(url))
    expected = ("connection", f"{url}: cannot connect: Connection refused")
    assert expected == (error.kind, str(error))


@pytest.mark.parametrize("answer", [frozen, dripping], ids=["frozen", "slow drip"])
async def test_p1_a_slow_answer_ends_at_the_deadline(answer: Answer) -> None:
    async with serving(answer) as stub:
        assert "timeout" == (await failure(settings(stub), budget=SHORT)).kind


async def test_p1_an_answer_of_a_gigabyte_is_too_large() -> None:
    before = _peak_mib()
    async with serving(endless) as stub:
        assert "too_large" == (await failure(settings(stub))).kind
    assert _peak_mib() - before < 256


async def test_p1_a_compressed_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(b" " * (64 * 1024 * 1024))
    async with serving(raw(bomb, headers={"Content-Encoding": "gzip"})) as stub:
        assert "malformed" == (await failure(settings(stub))).kind
        headers, _ = stub.requests[0]
    assert "identity" == headers["Accept-Encoding"]


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


class TestFailover:
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(raw(b"", status=503), id="503"),
            pytest.param(raw(b"", status=401), id="401"),
            pytest.param(raw(b"<html>"), id="HTML"),
            pytest.param(raw(b"", status=302, headers={"Location": "/"}), id="redirect"),
        ],
    )
    async def test_the_next_url_is_asked(self, answer: Answer) -> None:
        async with serving(answer) as bad, serving(json(vector(0.5))) as good:
            assert [0.5] == await values(settings(bad, good))

    async def test_a_dead_first_url_is_passed_over(self, rig: Rig) -> None:
        async with serving(json(vector(0.5))) as good:
            assert [0.5] == await values(settings(nobody(rig), good))

    async def test_p1_a_frozen_first_url_leaves_time_for_the_next(self) -> None:
        async with serving(frozen) as bad, serving(json(vector(0.5))) as good:
            assert [0.5] == await values(settings(bad, good), budget=2.0)

    async def test_the_first_url_is_preferred(self) -> None:
        async with serving(json(vector(0.1))) as first, serving(json(vector(0.2))) as second:
            assert [0.1] == await values(settings(first, second))
            assert [] == second.requests

    async def test_a_bad_query_is_asked_once(self) -> None:
        bad_query = json({"status": "error"}, status=400)
        async with serving(bad_query) as first, serving(bad_query) as second:
            await failure(settings(first, second))
            assert (1, 0) == (len(first.requests), len(second.requests))

    async def test_a_server_that_restarts_is_asked_again(self) -> None:
        async with serving(raw(b"", status=503)) as stub:
            await failure(settings(stub))
            assert 2 == len(stub.requests)


@pytest.mark.shows("trial S13")
class TestAnEmptyOrIncompleteAnswer:
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(json(vector()), id="empty"),
            pytest.param(json(vector(0.1, warnings=["a store is away"])), id="with a warning"),
            pytest.param(json({**vector(0.1), "isPartial": True}), id="partial"),
            pytest.param(json(vector("NaN")), id="NaN"),
            pytest.param(json(vector("+Inf", -1)), id="no measurement"),
        ],
    )
    async def test_the_next_url_is_asked(self, answer: Answer) -> None:
        async with serving(answer) as first, serving(json(vector(0.5))) as second:
            assert [0.5] == await values(settings(first, second))

    async def test_the_next_url_is_asked_for_a_member_that_is_missing(self) -> None:
        two, three = json(vector(0.5, 0.5)), json(vector(0.1, 0.1, 0.1))
        async with serving(two) as first, serving(three) as second:
            assert [0.1, 0.1, 0.1] == await values(settings(first, second), members=3)

    async def test_most_members_are_preferred_if_no_answer_is_complete(self) -> None:
        one, two = json(vector(0.5)), json(vector(0.1, 0.1))
        async with serving(one) as first, serving(two) as second:
            assert [0.1, 0.1] == await values(settings(first, second), members=3)

    async def test_samples_are_preferred_to_an_empty_complete_answer(self) -> None:
        partial = json(vector(0.9, warnings=["a store is away"]))
        async with serving(json(vector())) as first, serving(partial) as second:
            assert [0.9] == await values(settings(first, second))

    async def test_an_empty_answer_is_returned_if_no_url_has_a_better_one(self) -> None:
        async with serving(json(vector())) as first, serving(raw(b"", status=503)) as second:
            assert [] == await values(settings(first, second))

    async def test_each_url_is_asked_once_for_an_empty_answer(self) -> None:
        async with serving(json(vector())) as first, serving(json(vector())) as second:
            await values(settings(first, second))
            assert (1, 1) == (len(first.requests), len(second.requests))

    async def test_a_partial_answer_is_returned_in_time_if_the_next_url_is_frozen(self) -> None:
        partial = json(vector(0.9, warnings=["a store is away"]))
        async with serving(partial) as first, serving(frozen) as second:
            assert [0.9] == await values(settings(first, second), budget=SHORT)


def allowing_get(status: int) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method != "GET":
            return web.Response(status=status)
        assert "up" == request.query["query"]
        return web.json_response(vector(0.5))

    return answer


class TestAProxyThatAllowsGetOnly:
    @pytest.mark.parametrize("status", [403, 404, 405, 411, 415, 501])
    async def test_t5_the_query_is_sent_as_a_get(self, status: int) -> None:
        async with serving(allowing_get(status)) as stub:
            assert [0.5] == await values(settings(stub))

    async def test_t5_get_is_remembered(self) -> None:
        async with serving(allowing_get(405)) as stub:
            client = PrometheusClient(settings(stub))
            for _ in range(3):
                await client.query("up", budget=BUDGET)
            await client.close()
            assert 4 == len(stub.requests)  # one POST, three GETs

    async def test_t5_a_server_that_refuses_get_later_is_asked_by_post_again(self) -> None:
        allowed = "GET"

        async def answer(request: web.Request) -> web.StreamResponse:
            status = 200 if request.method == allowed else 405
            return web.json_response(vector(0.5), status=status)

        async with serving(answer) as stub:
            client = PrometheusClient(settings(stub))
            await client.query("up", budget=BUDGET)
            allowed = "POST"
            with pytest.raises(PrometheusError):
                await client.query("up", budget=BUDGET)
            await client.query("up", budget=BUDGET)
            await client.close()

    @pytest.mark.parametrize(("status", "kind"), [(403, "unauthorized"), (405, "status")])
    async def test_t5_a_server_that_refuses_both_keeps_its_class(
        self, status: int, kind: str
    ) -> None:
        async with serving(raw(b"", status=status)) as stub:
            assert kind == (await failure(settings(stub))).kind

    async def test_t5_the_error_of_the_get_about_the_query_is_raised(self) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            return web.Response(status=405 if request.method == "POST" else 400)

        async with serving(answer) as stub:
            assert "bad_query" == (await failure(settings(stub))).kind


class TestWhatIsSent:
    async def sent(self, **more: object) -> tuple[dict[str, str], dict[str, str]]:
        async with serving(json(vector(0.5))) as stub:
            await values(settings(stub, **more))
            return stub.requests[0]

    async def test_query_and_timeout_in_milliseconds_are_sent(self) -> None:
        _, form = await self.sent()
        assert "up" == form["query"]
        assert form["timeout"].removesuffix("ms").isdigit()
        assert {"query", "timeout"} == form.keys()

    @pytest.mark.parametrize(("asked", "sent"), [(False, "false"), (True, "true")])
    async def test_partial_response_is_sent_if_configured(self, *, asked: bool, sent: str) -> None:
        _, form = await self.sent(partial_response=asked)
        assert sent == form["partial_response"]

    async def test_configured_headers_are_sent(self) -> None:
        headers, _ = await self.sent(headers={"X-Scope-OrgID": "team-etcd"})
        assert "team-etcd" == headers["X-Scope-OrgID"]

    async def test_the_bearer_token_is_sent(self, tmp_path: Path) -> None:
        token = tmp_path / "token"
        token.write_text("s3cret\n")
        headers, _ = await self.sent(bearer_token_file=str(token))
        assert "Bearer s3cret" == headers["Authorization"]

    async def test_user_and_password_are_sent(self, tmp_path: Path) -> None:
        password = tmp_path / "password"
        password.write_text("pä55\n")
        headers, _ = await self.sent(
            basic_auth={"username": "shield", "password_file": str(password)}
        )
        assert "Basic c2hpZWxkOnDDpDU1" == headers["Authorization"]


class TestSecretsOnDisk:
    async def test_p5_a_rotated_token_is_used_from_the_next_query(self, tmp_path: Path) -> None:
        token = tmp_path / "token"
        async with serving(json(vector(0.5))) as stub:
            client = PrometheusClient(settings(stub, bearer_token_file=str(token)))
            for secret in ("old", "new"):
                token.write_text(secret)
                await client.query("up", budget=BUDGET)
            await client.close()
            sent = [headers["Authorization"] for headers, _ in stub.requests]
        assert ["Bearer old", "Bearer new"] == sent

    @pytest.mark.parametrize("content", [None, b"", b"a\nb", b"\xff"])
    async def test_p5_with_an_unusable_token_nothing_is_sent(
        self, tmp_path: Path, content: bytes | None
    ) -> None:
        token = tmp_path / "token"
        if content is not None:
            token.write_bytes(content)
        async with serving(json(vector(0.5))) as stub:
            error = await failure(settings(stub, bearer_token_file=str(token)))
            assert ("credentials", []) == (error.kind, stub.requests)

    async def test_p5_a_redirect_does_not_get_the_token(self, tmp_path: Path) -> None:
        token = tmp_path / "token"
        token.write_text("s3cret")
        async with serving(json(vector(0.5))) as elsewhere:
            redirect = raw(b"", status=307, headers={"Location": elsewhere.url})
            async with serving(redirect) as stub:
                error = await failure(settings(stub, bearer_token_file=str(token)))
            assert ("redirect", []) == (error.kind, elsewhere.requests)
        assert "s3cret" not in str(error)

    async def test_p5_a_rotated_ca_is_used_from_the_next_query(self, rig: Rig) -> None:
        old, new = Authority(rig.directory / "old"), Authority(rig.directory / "new")
        trusted = rig.directory / "trusted.pem"
        trusted.write_bytes(old.ca_file.read_bytes())
        async with serving(json(vector(0.5)), tls=new.server()) as stub:
            client = PrometheusClient(settings(stub, ca_file=str(trusted)))
            with pytest.raises(PrometheusError) as caught:
                await client.query("up", budget=BUDGET)
            assert "tls" == caught.value.kind
            trusted.write_bytes(new.ca_file.read_bytes())
            answer = await client.query("up", budget=BUDGET)
            await client.close()
        assert 0.5 == answer.samples[0].value

    async def test_p5_a_ca_file_without_certificates_is_a_credentials_error(
        self, tmp_path: Path
    ) -> None:
        broken = tmp_path / "ca.pem"
        broken.write_text("not PEM")
        async with serving(json(vector(0.5))) as stub:
            error = await failure(settings(stub, ca_file=str(broken)))
        assert "credentials" == error.kind

    async def test_a_certificate_for_another_name_is_refused(self, authority: Authority) -> None:
        other = authority.server("other", names=["prometheus.example"])
        async with serving(json(vector(0.5)), tls=other) as stub:
            error = await failure(settings(stub, ca_file=str(authority.ca_file)))
        assert "tls" == error.kind


PLAN = Plan(
    signals={
        name: SignalPlan(members=3, blind_after_ms=1, on_blind=OnBlind.HOLD, unit=Unit.RATIO)
        for name in ("a", "b")
    },
    tiers={"t": {"a": Threshold(set=0.9, reset=0.8)}},
    default_tier="t",
)


async def observed(
    stub: Stub, *, budget: float = BUDGET, counted: list[str] | None = None
) -> Mapping[str, Observation]:
    client = PrometheusClient(settings(stub))
    kinds: list[str] = [] if counted is None else counted
    source = PrometheusSource(client, on_error=kinds.append)
    try:
        return await source.observe(dict.fromkeys("ab", SignalQuery("up")), PLAN, budget=budget)
    finally:
        await client.close()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(vector(), id="empty vector"),
        pytest.param(vector("NaN"), id="NaN"),
        pytest.param(vector("+Inf"), id="+Inf"),
        pytest.param(vector("-Inf"), id="-Inf"),
        pytest.param(vector(-0.5), id="negative"),
        pytest.param(vector(*[0.5] * 30_000), id="30,000 samples"),
    ],
)
async def test_p3_samples_that_are_no_measurement_are_unusable(body: dict[str, Any]) -> None:
    async with serving(json(body)) as stub:
        seen = await observed(stub)
    assert not seen["a"].usable


async def test_p3_100k_samples_are_too_large() -> None:
    counted: list[str] = []
    async with serving(json(vector(*[0.5] * 100_000))) as stub:
        seen = await observed(stub, counted=counted)
    assert not seen["a"].usable
    assert ["too_large", "too_large"] == counted


async def test_p4_warnings_make_it_partial() -> None:
    async with serving(json(vector(0.5, 0.5, 0.5, warnings=["store-2 is away"]))) as stub:
        seen = await observed(stub)
    assert (True, "Prometheus warned: store-2 is away") == (seen["a"].partial, seen["a"].problem)


async def test_a_remark_on_the_querys_style_does_not_make_it_partial() -> None:
    remark = ["PromQL info: metric might not be a counter"]
    async with serving(json(vector(0.5, 0.5, 0.5, warnings=remark))) as stub:
        seen = await observed(stub)
    assert not seen["a"].partial


async def test_p1_the_deadline_is_for_all_signals_together() -> None:
    began = asyncio.get_running_loop().time()
    async with serving(frozen) as stub:
        seen = await observed(stub, budget=SHORT)
    assert not any(observation.usable for observation in seen.values())
    assert asyncio.get_running_loop().time() - began < SOON


async def test_each_signal_is_asked_once() -> None:
    async with serving(json(vector(0.5, 0.5, 0.5))) as stub:
        await observed(stub)
        assert 2 == len(stub.requests)
