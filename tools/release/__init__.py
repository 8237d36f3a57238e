"""The files of a release: what a tag becomes, and nothing that needs a credential.

`.github/workflows/release.yml` runs this and then pushes, signs and publishes. `tox -e release`
runs it and pushes to a registry on loopback.
"""
