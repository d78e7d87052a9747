"""Counting calls: each user so many in a minute, whatever the others do, and no memory of those who went away."""

import pytest
from mcp_todo_server.limits.calls import WINDOW_SECONDS, CallLimit

LIMIT = 3


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> CallLimit:
    return CallLimit(LIMIT, clock)


def taken(limit: CallLimit, user: str, calls: int) -> int:
    return [limit.take(user) for _ in range(calls)].count(0)


def test_a_user_has_so_many_calls_in_a_minute_that_begins_with_the_first(limit: CallLimit, clock: Clock) -> None:
    assert limit.take("ann") == 0
    clock.now += 40
    assert taken(limit, "ann", 5) == LIMIT - 1
    assert limit.take("ann") == 20
    clock.now += 19.5
    assert limit.take("ann") == 0.5
    clock.now += 0.5
    assert taken(limit, "ann", 5) == LIMIT


def test_a_refused_call_does_not_make_the_wait_longer(limit: CallLimit, clock: Clock) -> None:
    assert taken(limit, "ann", 100) == LIMIT
    clock.now += WINDOW_SECONDS
    assert taken(limit, "ann", 100) == LIMIT


def test_one_users_calls_are_not_anothers(limit: CallLimit) -> None:
    assert taken(limit, "ann", 5) == LIMIT
    assert taken(limit, "bob", 5) == LIMIT


@pytest.mark.parametrize("offset", [0, 1, 30, 59])
def test_a_window_lasts_a_minute_wherever_it_begins(limit: CallLimit, clock: Clock, offset: float) -> None:
    clock.now += offset
    for _ in range(4):
        assert taken(limit, "ann", LIMIT) == LIMIT
        began_at = clock.now
        for _ in range(WINDOW_SECONDS - 1):
            clock.now += 1
            # Others come and go meanwhile, which is what makes the memory turn over.
            assert limit.take(f"user-{clock.now}") == 0
            assert limit.take("ann") == began_at + WINDOW_SECONDS - clock.now
        clock.now += 1


def test_only_the_users_of_the_last_two_minutes_are_remembered(limit: CallLimit, clock: Clock) -> None:
    for minute in range(10):
        for number in range(100):
            limit.take(f"user-{minute}-{number}")
            clock.now += WINDOW_SECONDS / 100
    assert len(limit._windows) + len(limit._older) <= 200
