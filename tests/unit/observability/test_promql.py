import pytest

from tests.unit.observability.promql import metric_names


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        pytest.param("up", {"up"}, id="a name"),
        pytest.param('a_total{job="b"} > 0', {"a_total"}, id="a selector"),
        pytest.param("sum by (le) (rate(a_bucket[5m]))", {"a_bucket"}, id="functions and ranges"),
        pytest.param("a / on (x) group_left () b", {"a", "b"}, id="matching"),
        pytest.param("a unless (b >= bool 0) or absent(c)", {"a", "b", "c"}, id="sets"),
        pytest.param("max(a) by (b) offset 1h", {"a"}, id="a trailing by"),
        pytest.param('x{y=~"a{2}b"} - time()', {"x"}, id="braces in a string"),
        pytest.param("7 * 86400 - level:a:sum", {"level:a:sum"}, id="numbers and colons"),
    ],
)
def test_only_metrics_are_found_in(expression: str, names: set[str]) -> None:
    assert names == metric_names(expression)
