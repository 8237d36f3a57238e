"""Who asks for runs, and what those do who are refused."""

from random import Random

import pytest

from shield_evaluator.simulate.clients import RequestQueue, RunRequest
from shield_evaluator.simulate.world import Arrivals, Clients


def _queue(
    *changes: tuple[int, float],
    clients: Clients | None = None,
    tiers: dict[str, float] | None = None,
) -> RequestQueue:
    arrivals = Arrivals(changes or ((0, 0.0),))
    return RequestQueue(arrivals, clients or Clients(), tiers or {"standard": 1.0}, Random(1))


def test_rates_follow_each_other() -> None:
    queue = _queue((0, 0.5), (10, 3.0), (20, 0.0))

    arrived = [len(queue.new(second)) for second in range(30)]

    assert (5, 30, 0) == (sum(arrived[:10]), sum(arrived[10:20]), sum(arrived[20:]))


def test_the_impatient_never_come_back() -> None:
    queue = _queue(clients=Clients(patient=0))

    assert not queue.refuse(RunRequest("standard", 0), 0)
    assert 0 == queue.waiting


def test_a_patient_client_comes_back_as_often_as_it_is_set_to_and_gives_up_then() -> None:
    queue = _queue(clients=Clients(patient=1, retries=3, wait=30))
    request, second, waits = RunRequest("standard", 0), 0, []

    while queue.refuse(request, second):
        came = next(at for at in range(second + 1, second + 100) if queue.returning(at) != [])
        waits.append(came - second)
        request, second = request._replace(retries=request.retries + 1), came

    assert 3 == len(waits)
    assert all(15 <= wait <= 45 for wait in waits)


def test_about_as_many_come_back_as_are_patient() -> None:
    queue = _queue(clients=Clients(patient=0.7))

    returning = sum(queue.refuse(RunRequest("standard", 0), 0) for _ in range(1000))

    assert 650 < returning < 750
    assert returning == queue.waiting == queue.waiting_by_tier()["standard"]


def test_tiers_get_their_shares() -> None:
    queue = _queue((0, 1000.0), tiers={"standard": 0.75, "background": 0.25})

    requests = queue.new(0)

    assert 700 < sum(request.tier == "standard" for request in requests) < 800


@pytest.mark.parametrize(
    ("clients", "message"),
    [
        ({"patient": 1.5}, "from 0 to 1"),
        ({"retries": -1}, "from 0 to 1000"),
        ({"wait": 1}, "at least 2s"),
    ],
    ids=["patience", "retries", "wait"],
)
def test_clients_that_cannot_be_are_refused(clients: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Clients(**clients)  # type: ignore[arg-type]  # numbers of either kind
