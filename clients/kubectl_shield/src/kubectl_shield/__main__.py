"""Run ``python -m kubectl_shield``; the plugin in one file starts here too."""

from kubectl_shield.cli import main

main(prog_name="kubectl-shield")
