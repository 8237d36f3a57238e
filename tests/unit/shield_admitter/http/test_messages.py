"""Responses as bytes."""

from http import HTTPStatus

from shield_admitter.http.messages import Response, error_response, unavailable

DATE = b"Date: Sat, 21 Nov 2026 10:00:00 GMT\r\n"


def test_a_response_has_its_length_type_and_date() -> None:
    head, _, body = (
        Response(b"{}").encode(date=DATE, close=False, without_body=False).partition(b"\r\n\r\n")
    )
    expected = {b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"Content-Length: 2"}
    assert (expected | {DATE.strip()}, b"{}") == (set(head.split(b"\r\n")), body)


def test_a_response_to_head_has_the_length_but_no_content() -> None:
    encoded = Response(b"{}").encode(date=DATE, close=False, without_body=True)
    assert encoded.endswith(b"Content-Length: 2\r\n\r\n")


def test_the_last_response_announces_the_end() -> None:
    encoded = Response(b"{}").encode(date=DATE, close=True, without_body=False)
    assert b"\r\nConnection: close\r\n" in encoded


def test_an_error_states_its_problem() -> None:
    response = error_response(HTTPStatus.BAD_REQUEST, 'a "problem"')
    assert (b'{"error":"a \\"problem\\""}', False) == (response.body, response.close)


def test_a19_what_should_be_sent_again_says_when_and_where() -> None:
    response = unavailable("no decision yet")
    assert (HTTPStatus.SERVICE_UNAVAILABLE, b"Retry-After: 1\r\n", True) == (
        response.status,
        response.headers,
        response.close,
    )
