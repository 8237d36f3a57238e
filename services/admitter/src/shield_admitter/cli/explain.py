"""``shield-admitter explain``: the verdict on an object now, and the rule behind it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any, get_args

import click
import msgspec
import yaml
from msgspec import Meta, Struct

from shield_admitter.cli.explanation import explain_request, text_lines
from shield_admitter.cli.options import (
    EXIT_DENIED,
    config_option,
    fail,
    load_settings,
    output_option,
    read_decision,
)
from shield_admitter.core.review import UPDATE, Kind, Request, UserInfo
from shield_admitter.core.run_object import read_object
from shield_admitter.settings import Operation
from shield_common.clock import now_ms, utc_now
from shield_common.command_line import EXIT_BAD_CONFIG, echo, echo_json
from shield_common.config.errors import plain_with_path
from shield_common.config.loader import yaml_problem
from shield_common.held import PENDING_STATUS

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path


_PENDING_RUN = msgspec.json.encode({"spec": {"status": PENDING_STATUS}})


class _Metadata(Struct):
    namespace: str | None = None


class _Object(Struct):
    kind: Annotated[str, Meta(min_length=1)]
    apiVersion: str = ""  # noqa: N815 - Kubernetes' name
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


@click.command()
@config_option
@click.option(
    "-f",
    "--filename",
    "manifest",
    type=click.File("rb"),
    required=True,
    help="The object (YAML or JSON); - for standard input.",
)
@click.option("--user", default="", help="User name, as the API server reports it.")
@click.option("--group", "groups", multiple=True, help="A group of the user; may be repeated.")
@click.option("--namespace", help="Namespace.  [default: the object's, or default]")
@click.option(
    "--operation",
    type=click.Choice(get_args(Operation)),
    default="CREATE",
    show_default=True,
    help="Operation on the object.",
)
@output_option
def explain(
    *,
    config: Path,
    manifest: BufferedReader,
    user: str,
    groups: tuple[str, ...],
    namespace: str | None,
    operation: str,
    output: str,
) -> None:
    """Explain how an object would be judged now.

    Shows its tier and the rule that sets it, the decision and the message. The decision is read
    from Redis once; without an answer the object is judged as by an admitter without a decision.

    Exit codes: 0 admitted or held, 3 denied, 2 bad configuration, object or usage.
    """
    settings = load_settings(config)
    subject = _read(manifest)
    request = _request(manifest.name, subject, user, groups, namespace, operation)
    cached, problem = asyncio.run(read_decision(settings))
    explanation = explain_request(
        request, cached, settings, now_ms=now_ms(), utc_now=utc_now(), problem=problem
    )
    if output == "json":
        echo_json(explanation)
    else:
        for line in text_lines(explanation, settings):
            echo(line)
    sys.exit(0 if explanation.allowed else EXIT_DENIED)


def _read(manifest: BufferedReader) -> bytes:
    """Return the object as JSON."""
    content = manifest.read()
    try:
        # YAML has dates, which JSON lacks; labels are text in any case.
        return msgspec.json.encode(_parse(content), enc_hook=str)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        fail(f"{manifest.name}: not one YAML document: {yaml_problem(error)}", EXIT_BAD_CONFIG)


def _parse(content: bytes) -> Any:  # noqa: ANN401 - any YAML document
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # JSON may be indented with tabs, YAML may not: neither is a subset of the other.
        return yaml.safe_load(content)


def _request(
    name: str,
    subject: bytes,
    user: str,
    groups: tuple[str, ...],
    namespace: str | None,
    operation: str,
) -> Request:
    try:
        known = msgspec.json.decode(subject, type=_Object)
    except msgspec.DecodeError as error:
        fail(f"{name}: not a Kubernetes object: {plain_with_path(error)}", EXIT_BAD_CONFIG)
    group, _, version = known.apiVersion.rpartition("/")
    return Request(
        uid="explain",
        operation=operation,
        kind=Kind(group, version, known.kind),
        namespace=namespace or known.metadata.namespace or "default",
        userInfo=UserInfo(user, groups),
        object=read_object(msgspec.Raw(subject)),
        # Of updates only those are judged that start a run which was pending.
        oldObject=read_object(msgspec.Raw(_PENDING_RUN if operation == UPDATE else b"null")),
    )
