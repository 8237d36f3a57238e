"""Success and failure of the demo."""

from tests.demo.findings import judge
from tests.demo.plan import DB_FILE, Plan
from tests.demo.record import AdmitterTally, Record


def good_record() -> Record:
    record = Record(Plan(), clock=lambda: 0.0)
    for name in ("admitter-1", "admitter-2"):
        record.admitters[name] = tally = AdmitterTally()
        for at, allowed in [(1.0, True), (2.0, False), (3.0, True), (4.0, False)]:
            tally.count(at, allowed=allowed)
        tally.count(1.5, allowed=False, paced=True)
    record.agreement.add(1.0, [True, True])
    record.use(DB_FILE, 0.1)
    return record


def broken_promises(
    record: Record, *, with_shield: bool = True, with_room: bool = True
) -> list[str]:
    findings = judge(record, with_shield=with_shield, with_room=with_room)
    return [finding.promise for finding in findings if not finding.holds]


def test_a_demo_with_denial_and_readmission_and_without_nospace_succeeds() -> None:
    assert [] == broken_promises(good_record())


def test_a_tally_records_the_first_denial_and_the_first_readmission() -> None:
    tally = good_record().admitters["admitter-1"]
    assert (2, 2, 2.0, 3.0) == (tally.admitted, tally.denied, tally.denied_at, tally.readmitted_at)


def overfilled_record() -> Record:
    record = good_record()
    record.note_nospace("etcdserver: mvcc: database space exceeded")
    return record


def test_a_demo_without_room_succeeds_with_nospace() -> None:
    assert [] == broken_promises(overfilled_record(), with_room=False)


def test_a_demo_without_room_that_does_not_fill_etcd_fails() -> None:
    assert 1 == len(broken_promises(good_record(), with_room=False))


def test_a_demo_in_which_etcd_reaches_the_latches_fails() -> None:
    record = good_record()
    record.use(DB_FILE, record.plan.deny_from)
    assert ["etcd stayed below the latches"] == broken_promises(record)


def test_a_demo_in_which_no_run_is_paced_fails() -> None:
    record = good_record()
    for tally in record.admitters.values():
        tally.paced = 0
    assert ["runs were paced before etcd was full"] == broken_promises(record)


def test_a_paced_run_is_neither_admitted_nor_denied() -> None:
    tally = AdmitterTally()
    tally.count(1.0, allowed=False, paced=True)
    assert (0, 0, 1, None) == (tally.admitted, tally.denied, tally.paced, tally.denied_at)


def test_a_demo_with_the_shield_fails_on_nospace() -> None:
    assert ["etcd never raised NOSPACE"] == broken_promises(overfilled_record())


def test_a_demo_without_the_shield_succeeds_with_nospace() -> None:
    assert [] == broken_promises(overfilled_record(), with_shield=False)


def test_a_demo_without_the_shield_that_fills_nothing_fails() -> None:
    assert 1 == len(broken_promises(Record(Plan()), with_shield=False))


def test_a_demo_without_a_measurement_of_etcd_fails() -> None:
    record = good_record()
    record.signals[DB_FILE].peak = 0.0
    assert ["etcd never raised NOSPACE", "etcd stayed below the latches"] == broken_promises(record)


def test_a_demo_with_an_admitter_that_never_denied_fails() -> None:
    record = good_record()
    record.admitters["admitter-3"] = AdmitterTally(admitted=5)
    promises = ["every admitter denied", "every admitter admitted again"]
    assert promises == broken_promises(record)


def test_a_demo_whose_admitters_differ_for_long_fails() -> None:
    record = good_record()
    for at in (2.0, 5.0):
        record.agreement.add(at, [True, False])
    assert ["the admitters agreed"] == broken_promises(record)


def test_a_demo_with_an_unanswered_review_fails() -> None:
    record = good_record()
    record.admitters["admitter-1"].unanswered = 1
    assert ["every review was answered"] == broken_promises(record)


def test_a_demo_that_did_not_end_in_time_fails() -> None:
    record = good_record()
    record.unfinished = "waited 5 s for godot"
    assert ["the story ended in time"] == broken_promises(record)


def test_the_peak_of_a_signal_is_its_highest_usage() -> None:
    record = good_record()
    for share in (0.1, 0.8, 0.3):
        record.use(DB_FILE, share)
    assert (0.3, 0.8) == (record.signals[DB_FILE].now, record.signals[DB_FILE].peak)
