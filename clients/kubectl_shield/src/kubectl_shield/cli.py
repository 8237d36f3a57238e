"""The command line: one function per subcommand."""

from __future__ import annotations

import getpass
import json
import sys
from datetime import UTC, datetime
from typing import IO, Final, NoReturn

import click

from kubectl_shield.held_runs import HELD, held_runs, table
from kubectl_shield.kubectl import Kubectl, find_program

RESOURCE: Final = "pipelineruns.tekton.dev"
# Everything after the subcommand belongs to the program in the pod.
_PASSED_ON: Final = {"ignore_unknown_options": True, "help_option_names": []}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kubectl-shield", prog_name="kubectl-shield")
@click.option(
    "-n",
    "--namespace",
    envvar="SHIELD_NAMESPACE",
    default="etcd-shield",
    show_default=True,
    show_envvar=True,
    help="Where the shield is installed.",
)
@click.option("--context", help="The kubeconfig context to use.")
@click.option("--kubeconfig", type=click.Path(), help="The kubeconfig file to use.")
@click.pass_context
def main(
    ctx: click.Context, *, namespace: str, context: str | None, kubeconfig: str | None
) -> None:
    """See and control etcd-shield through kubectl.

    Options of the cluster go before the subcommand: kubectl shield --context prod status.

    Exit codes are those of the program in the pod: 0 admitting or done, 3 denying, 4 stale or not
    obeyed, 1 failed, 2 bad usage.
    """
    chosen = {"context": context, "kubeconfig": kubeconfig}
    cluster = [f"--{name}={value}" for name, value in chosen.items() if value]
    # Not yet: `kubectl shield status --help` needs no kubectl.
    ctx.obj = lambda: Kubectl(program=find_program(), cluster=cluster, namespace=namespace)


@main.command()
@click.option("--tier", help="The tier whose state sets the exit code.")
@click.option("--watch", is_flag=True, help="Look again every second until Ctrl-C.")
@click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    help="[default: table on a terminal, json elsewhere]",
)
@click.pass_context
def status(ctx: click.Context, *, tier: str | None, watch: bool, output: str | None) -> None:
    """Show what the shield does now.

    For each tier whether it admits or denies, since when and why; also signals, room and override.
    """
    arguments = [f"--tier={tier}"] * bool(tier) + ["--watch"] * watch
    arguments += [f"--output={output}"] * bool(output)
    _end(ctx.obj().run_in("evaluator", "shield-evaluator", "status", *arguments))


@main.command()
@click.option("-n", "--namespace", help="Only runs in this namespace.  [default: all]")
@click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    help="[default: table on a terminal, json elsewhere]",
)
@click.pass_context
def queue(ctx: click.Context, *, namespace: str | None, output: str | None) -> None:
    """List held runs in the order in which they start.

    Asks the controller. Where there is none, lists held PipelineRuns by their label, the oldest
    first; nothing starts these but a controller or you.
    """
    kubectl = ctx.obj()
    if kubectl.workloads("controller"):
        arguments = [f"--namespace={namespace}"] * bool(namespace)
        arguments += [f"--output={output}"] * bool(output)
        _end(kubectl.run_in("controller", "shield-controller", "queue", *arguments))
    where = f"--namespace={namespace}" if namespace else "--all-namespaces"
    listed = kubectl.read("get", RESOURCE, where, f"--selector={HELD}", "--output=json")
    runs = held_runs(listed)
    if (output or ("table" if sys.stdout.isatty() else "json")) == "json":
        click.echo(json.dumps([run.document() for run in runs], indent=2))
    else:
        click.echo(table(runs, now=datetime.now(UTC)))


@main.command()
@click.option(
    "-f", "--filename", "manifest", type=click.File("rb"), required=True,
    help="The object (YAML or JSON); - for standard input.",
)  # fmt: skip
@click.option("--user", help="Who creates it.  [default: you]")
@click.option("--group", "groups", multiple=True, help="A group of that user; may be repeated.")
@click.option("--namespace", help="Its namespace.  [default: the object's, or default]")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def explain(
    ctx: click.Context,
    *,
    manifest: IO[bytes],
    user: str | None,
    groups: tuple[str, ...],
    namespace: str | None,
    output: str,
) -> None:
    """Explain how an object would be judged now.

    Shows its tier, the rule that sets it, and the verdict.

    Exit codes: 0 admitted, 3 denied, 2 bad object or usage.
    """
    kubectl = ctx.obj()
    if user is None and not groups:
        user, groups = kubectl.user()
    arguments = ["--filename=-", f"--output={output}"]
    arguments += [f"--user={user}"] * bool(user) + [f"--group={group}" for group in groups]
    arguments += [f"--namespace={namespace}"] * bool(namespace)
    _end(kubectl.run_in("admitter", "shield-admitter", "explain", *arguments, stdin=manifest))


@main.command(context_settings=_PASSED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def override(ctx: click.Context, *, arguments: tuple[str, ...]) -> None:
    """Allow or deny by hand for a limited time.

    Its commands are allow, deny, clear and show.

    All arguments are those of `shield-evaluator override`, whose --help this shows. The override
    names you as the one who set it, unless --by does.

    \b
    Example:
      kubectl shield override allow --tier critical --for 30m --reason "release 4.2"
    """  # noqa: D301 - click's mark for lines to keep is a backspace
    kubectl = ctx.obj()
    _end(
        kubectl.run_in(
            "evaluator", "shield-evaluator", "override", *_with_author(kubectl, arguments)
        )
    )


def _with_author(kubectl: Kubectl, arguments: tuple[str, ...]) -> list[str]:
    """Return the arguments with --by: in the pod, the user of the process is a number."""
    named = any(argument.partition("=")[0] in {"--by", "--help", "-h"} for argument in arguments)
    if named or not {"allow", "deny"} & set(arguments[:1]):
        return list(arguments)
    return [*arguments, f"--by={kubectl.user()[0] or getpass.getuser()}"]


def _end(code: int) -> NoReturn:
    sys.exit(code)
