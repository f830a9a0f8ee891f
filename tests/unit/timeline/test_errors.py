"""Exceptions in groups: what is one exception, what is one place, and what is told of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from otel_asayer.timeline import ErrorGroup, Timeline, group_errors
from otel_asayer.timeline.errors import CodeLocation, location_of, stack_parts
from unit.timeline.support import STACK, log, raised

if TYPE_CHECKING:
    from otel_asayer.timeline import Stored

A, B, C = "a" * 32, "b" * 32, "c" * 32


def groups(*documents: Stored) -> list[ErrorGroup]:
    return group_errors(Timeline.of(documents).events)


def told(*documents: Stored) -> list[tuple[str, str, int]]:
    return [(group.type, group.message, group.count) for group in groups(*documents)]


def test_exceptions_of_one_type_and_place_are_a_group() -> None:
    stack = STACK.replace("'lamp'", "'sofa'").replace("line 7", "line 8")
    (group,) = groups(
        raised("KeyError", "'lamp'", 1, trace_id=A),
        raised("KeyError", "'sofa'", 2, trace_id=B, stack=stack),
    )
    assert group.count == 2
    assert group.message == "'sofa'"
    assert str(group.location) == "shop/cart.py:8 in total"


def test_an_exception_that_passes_through_spans_and_into_the_log_counts_once() -> None:
    documents = [
        raised("builtins.KeyError", "'lamp'", 1, trace_id=A, service="pricing"),
        raised("builtins.KeyError", "'lamp'", 2, trace_id=A),
        log(
            "failed",
            3,
            trace_id=A,
            attributes={
                "exception.type": "KeyError",
                "exception.message": "lamp",
                "exception.stacktrace": STACK,
            },
        ),
    ]
    (group,) = groups(*documents)
    assert group.count == 1
    assert group.services == ("pricing",)
    assert group.type == "KeyError"


def test_without_a_trace_each_document_is_an_exception_of_its_own() -> None:
    assert told(
        raised("E", "x", 1, trace_id="", stack=""), raised("E", "x", 2, trace_id="", stack="")
    ) == [("E", "x", 2)]


def test_the_largest_group_comes_first_and_then_the_latest() -> None:
    documents = [
        raised(name, "x", at_ms, trace_id=trace, stack="")
        for name, at_ms, trace in (("A", 1, A), ("B", 5, A), ("C", 2, A), ("C", 3, B))
    ]
    assert [name for name, _, _ in told(*documents)] == ["C", "B", "A"]


def test_another_place_is_another_group() -> None:
    assert (
        len(
            groups(
                raised("KeyError", "x", 1),
                raised("KeyError", "x", 2, trace_id=B, stack=STACK.replace("cart.py", "shelf.py")),
            )
        )
        == 2
    )


def test_what_is_no_exception_is_in_no_group() -> None:
    assert groups(log("x", severity=17)) == []


def test_an_exception_without_a_type_is_one() -> None:
    assert told(
        raised("", "x", stack=""), log("y", trace_id=B, attributes={"exception.type": None})
    ) == [("", "", 2)]


def test_a_group_tells_sessions_and_an_example_with_a_replay() -> None:
    link = {"asayer.replay.url": "https://replay.example/1"}
    documents = [
        raised("E", "x", 1, trace_id=A, stack="", attributes={"session.id": "7", **link}),
        raised("E", "x", 2, trace_id=B, stack="", attributes={"session.id": None}),
        raised("E", "x", 3, trace_id=C, stack="", attributes={"session.id": "opaque"}),
    ]
    (group,) = groups(*documents)
    assert group.sessions == ("opaque", "7")
    assert group.example.session_id == "7"


def test_without_a_replay_the_latest_is_the_example() -> None:
    (group,) = groups(
        raised("E", "x", 1, trace_id=A, stack=""), raised("E", "x", 2, trace_id=B, stack="")
    )
    assert group.example.trace_id == B


LIBRARY = '  File "/venv/lib/python3.11/site-packages/flask/app.py", line 9, in run\n    x\n'
STANDARD = '  File "/usr/lib/python3.11/json/__init__.py", line 3, in loads\n    x\n'


@pytest.mark.parametrize(
    ("stack", "location"),
    [
        ("", CodeLocation()),
        (
            "java.lang.NullPointerException\n\tat com.example.Cart.total(Cart.java:7)",
            CodeLocation(),
        ),
        (STACK, CodeLocation("/app/shop/cart.py", 7, "total")),
        (STACK + LIBRARY, CodeLocation("/app/shop/cart.py", 7, "total")),
        (LIBRARY + STANDARD, CodeLocation("/usr/lib/python3.11/json/__init__.py", 3, "loads")),
        (
            STACK + "\nDuring handling of the above exception\n\n" + STACK.replace("total", "show"),
            CodeLocation("/app/shop/cart.py", 7, "show"),
        ),
        ('  | File "/app/a.py", line 1, in f', CodeLocation()),
        (
            (
                '  File "<frozen importlib._bootstrap>", line 1, in f\n  File "C:\\shop\\a.py", '
                "line "
                "2, in <module>"
            ),
            CodeLocation("C:\\shop\\a.py", 2, "<module>"),
        ),
        (f'  File "/app/a.py", line {"9" * 5000}, in f', CodeLocation()),
    ],
)
def test_the_place_is_the_innermost_frame_of_the_applications_own_code(
    stack: str, location: CodeLocation
) -> None:
    assert location_of(stack) == location


def test_a_place_is_shown_by_the_end_of_its_path() -> None:
    assert [
        str(CodeLocation("C:\\a\\b\\c.py", 2, "f")),
        str(CodeLocation("c.py", 1, "g")),
        str(CodeLocation()),
    ] == [
        "b/c.py:2 in f",
        "c.py:1 in g",
        "",
    ]


def test_an_exception_that_a_server_answered_for_the_caller_is_in_no_group() -> None:
    assert groups(raised("Http404", "no lamp", attributes={"asayer.exception.handled": True})) == []


FRAME = '  File "/app/shop.py", line 7, in total\n    return prices[name]\n'
OWN = FRAME + "           ~~~~~~^^^^^^\n"


def test_frames_of_libraries_stand_apart() -> None:
    stack = f"Traceback (most recent call last):\n{LIBRARY}{LIBRARY}{OWN}KeyError: 'lamp'"
    assert stack_parts(stack) == [
        ("Traceback (most recent call last):\n", 0),
        (LIBRARY + LIBRARY, 2),
        (f"{OWN}KeyError: 'lamp'", 0),
    ]


def test_what_stands_between_two_stacks_is_no_frame() -> None:
    between = "KeyError: 'x'\n\nDuring handling of the above exception, another occurred:\n\n"
    stack = f"{LIBRARY}{between}{OWN}{LIBRARY}ValueError\n"
    assert stack_parts(stack) == [
        (LIBRARY, 1),
        (between + OWN, 0),
        (LIBRARY, 1),
        ("ValueError\n", 0),
    ]


@pytest.mark.parametrize("stack", ["", "no stack at all", f"Traceback:\n{LIBRARY}KeyError"])
def test_a_stack_without_a_frame_of_the_application_is_whole(stack: str) -> None:
    assert stack_parts(stack) == [(stack, 0)]


@given(st.lists(st.sampled_from([LIBRARY, OWN, "ValueError: x\n", "\n", "  odd\n"])))
def test_the_parts_are_the_stack(pieces: list[str]) -> None:
    stack = "".join(pieces)
    assert "".join(part.text for part in stack_parts(stack)) == stack
