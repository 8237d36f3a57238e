"""What holds for every sequence of observations, pauses, restarts and changes of the plan.

A machine feeds anything to two evaluators: one runs on, the other is restarted now and then on a
machine whose clock shows something else. A third opinion comes from the history of observations.
"""

from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shield_common.decision import Decision, decode_decision, encode_decision
from shield_evaluator.core.decide import Envelope, decide, undecided_tiers
from shield_evaluator.core.latch import advance
from shield_evaluator.core.latches_document import decode, encode
from shield_evaluator.core.observation import Observation, Sample, observe
from shield_evaluator.core.plan import ColdStart, OnBlind, Plan, SignalPlan, Threshold, Unit
from shield_evaluator.core.state import Instant, LatchState, ShieldState
from tests.unit.shield_evaluator.plans import EPOCH

MEMBERS = ("a", "b", "c")
SIGNALS = ("db-file", "db-in-use")
LEAST_HISTORY = 8  # observations under one plan, so that timers of seconds can end

#: Values around the thresholds, and everything that a float can be.
plausible = st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0])
values = plausible | st.floats()
complete = plausible.map(lambda value: dict.fromkeys(MEMBERS, value))
observations = st.builds(
    lambda measured, warnings: observe(
        [Sample(member, value) for member, value in measured.items()],
        expected_members=len(MEMBERS),
        warnings=warnings,
    ),
    st.dictionaries(st.sampled_from(MEMBERS), values, max_size=len(MEMBERS))
    | st.fixed_dictionaries(dict.fromkeys(MEMBERS, values))
    # Complete and alike: three values that are all below `reset` are too rare to reset anything.
    | complete
    | complete,
    st.sampled_from([(), (), (), ("a store is missing",)]),
)
every_signal = st.fixed_dictionaries(dict.fromkeys(SIGNALS, observations))
some_signals = st.dictionaries(st.sampled_from(SIGNALS), observations)
THRESHOLDS = [
    Threshold(set=high, reset=low, set_for_ms=set_for, reset_for_ms=reset_for)
    for high in (0.8, 0.9, 0.95)
    for low in (0.3, 0.7)
    for set_for in (0, 4_000, 7_000)
    for reset_for in (0, 4_000, 7_000)
]
SIGNAL_PLANS = [
    SignalPlan(members=len(MEMBERS), blind_after_ms=blind_after, on_blind=on_blind, unit=Unit.RATIO)
    for blind_after in (4_000, 20_000)
    for on_blind in OnBlind
]
plans = st.builds(
    lambda one, other, strict, calm, cold_start, delay_ms: Plan(
        signals={"db-file": one, "db-in-use": other},
        tiers={
            "standard": {"db-file": strict, "db-in-use": calm},
            "critical": {"db-in-use": strict},
        },
        default_tier="standard",
        cold_start=cold_start,
        cold_start_delay_ms=delay_ms,
    ),
    st.sampled_from(SIGNAL_PLANS),
    st.sampled_from(SIGNAL_PLANS),
    st.sampled_from(THRESHOLDS),
    st.sampled_from(THRESHOLDS),
    st.sampled_from(ColdStart),
    st.sampled_from([0, 15_000]),
)
Seen = tuple[int, Mapping[str, Observation]]


class AnythingHappens(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 1_000_000
        self.running = ShieldState()
        self.restarted = ShieldState()
        self.clock_differs_by = 0
        self.history: list[Seen] = []
        self.history_is_whole = True

    @initialize(plan=plans)
    def begin(self, plan: Plan) -> None:
        self.plan = plan

    @rule(
        seen=every_signal | every_signal | some_signals,
        pause_ms=st.sampled_from([1, 5_000, 5_000, 30_000]),
    )
    def observe(self, seen: Mapping[str, Observation], pause_ms: int) -> None:
        self.now_ms += pause_ms
        before = self.running
        self.history.append((self.now_ms, seen))
        self.running = advance(self.plan, before, seen, self.instant())
        self.restarted = advance(
            self.plan, self.restarted, seen, self.instant(self.clock_differs_by)
        )
        self.check_latches(before)
        self.check_tiers()
        self.check_restart(seen)

    @precondition(lambda self: self.history)
    @rule(clock_differs_by=st.integers(-900_000, 10**12))
    def restart_somewhere_else(self, clock_differs_by: int) -> None:
        document = encode(self.restarted, now_ms=self.now_ms + self.clock_differs_by, order=(1, 1))
        self.clock_differs_by = clock_differs_by
        self.restarted = decode(document, now_ms=self.now_ms + clock_differs_by).state

    @precondition(lambda self: len(self.history) >= LEAST_HISTORY)
    @rule(plan=plans)
    def change_the_plan(self, plan: Plan) -> None:
        self.plan = plan
        self.history.clear()  # a timer may have begun under another plan
        self.history_is_whole = False
        self.running = advance(plan, self.running, {}, self.instant())
        self.restarted = advance(plan, self.restarted, {}, self.instant(self.clock_differs_by))

    def check_latches(self, before: ShieldState) -> None:
        _, seen = self.history[-1]
        for (tier, signal), latch in self.running.latches.items():
            threshold = self.plan.tiers[tier][signal]
            observation = seen.get(signal, Observation(value=None))
            was = before.latches.get((tier, signal))
            was_state = LatchState.UNKNOWN if was is None else was.state
            if latch.state is not was_state:
                assert_moved_with_reason(latch.state, was_state, observation, threshold)
                self.check_waited_long_enough(latch.state, was_state, signal, threshold)
            else:
                assert_not_overdue(latch.state, observation, threshold)
            assert not (latch.above_since_ms is not None and latch.below_since_ms is not None)

    def check_waited_long_enough(
        self, to: LatchState, was: LatchState, signal: str, threshold: Threshold
    ) -> None:
        observation = self.history[-1][1][signal]
        if observation.value is None or threshold.reset <= observation.value < threshold.set:
            return  # a cold start inside the band waits for nothing
        wanted = threshold.set_for_ms if to is LatchState.SET else threshold.reset_for_ms
        since = self.now_ms
        for at_ms, seen in reversed(self.history):
            told = says(seen.get(signal), threshold)
            if told is to:
                since = at_ms
            elif told is not None or to is LatchState.RESET:
                break  # a proof of the contrary; for a reset doubt is enough
        else:
            if not self.history_is_whole:
                return
        assert self.now_ms - since >= wanted, (was, to)

    def check_tiers(self) -> None:
        for tier, named in self.plan.tiers.items():
            states = {self.running.latches[tier, signal].state for signal in named}
            forced = {self.plan.signals[signal].on_blind for signal in named} - {OnBlind.HOLD}
            if LatchState.SET in states and OnBlind.ALLOW not in forced:
                assert not self.running.bits[tier].allow
            if tier not in self.running.bits:
                assert LatchState.SET not in states
                assert states != {LatchState.RESET}
                continue
            if states == {LatchState.RESET} and OnBlind.DENY not in forced:
                assert self.running.bits[tier].allow

    def check_restart(self, seen: Mapping[str, Observation]) -> None:
        undecided = undecided_tiers(self.plan, self.running, None)
        assert undecided == undecided_tiers(self.plan, self.restarted, None)
        if undecided:
            return
        one = self.decision(self.running, seen, self.instant())
        other = self.decision(self.restarted, seen, self.instant(self.clock_differs_by))
        assert one == other
        assert one == decode_decision(encode_decision(one))

    def decision(
        self, state: ShieldState, seen: Mapping[str, Observation], now: Instant
    ) -> Decision:
        envelope = Envelope(cluster="c", epoch=1, sequence=1, ttl_ms=1, interval_ms=1)
        return decide(self.plan, state, seen, now=now, envelope=envelope)

    def instant(self, differs_by: int = 0) -> Instant:
        return Instant(ms=self.now_ms + differs_by, utc=EPOCH)


def assert_moved_with_reason(
    to: LatchState, was: LatchState, observation: Observation, threshold: Threshold
) -> None:
    value = observation.value
    assert value is not None, "a latch moved although nothing was seen"
    assert to is not LatchState.UNKNOWN
    if was is LatchState.UNKNOWN and threshold.reset <= value < threshold.set:
        assert not observation.partial  # a cold start inside the band
    elif to is LatchState.SET:
        assert value >= threshold.set
    else:
        assert value < threshold.reset
        assert not observation.partial


def says(observation: Observation | None, threshold: Threshold) -> LatchState | None:
    """Return what an observation proves: SET, RESET, UNKNOWN for between; None for nothing."""
    if observation is None or observation.value is None:
        return None
    if observation.value >= threshold.set:
        return LatchState.SET
    if observation.partial:
        return None
    return LatchState.RESET if observation.value < threshold.reset else LatchState.UNKNOWN


def assert_not_overdue(state: LatchState, observation: Observation, threshold: Threshold) -> None:
    value = observation.value
    if value is None:
        return
    if value >= threshold.set and threshold.set_for_ms == 0:
        assert LatchState.SET is state
    if value < threshold.reset and threshold.reset_for_ms == 0 and not observation.partial:
        assert LatchState.RESET is state


def test_e7_any_sequence_sets_only_at_set_and_resets_only_below_reset_restarts_included() -> None:
    run_state_machine_as_test(
        AnythingHappens, settings=settings(max_examples=60, stateful_step_count=30)
    )
