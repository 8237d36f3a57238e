"""TLS: who may come in, in which version, and certificates that change under load (A12 to A14)."""

import datetime as dt
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
import trustme

from tests.integration.admitter.load import Load
from tests.integration.admitter.site import WITHIN, Site
from tests.rig.certificates import Authority, CertificateFiles
from tests.rig.ports import LOOPBACK
from tests.rig.probing import answers_ok
from tests.rig.waiting import wait_until


async def start_with_client_check(site: Site, *names: str) -> None:
    tls = {"client_ca_file": str(site.authority.ca_file), "client_names": list(names)}
    site.admitter.config["tls"] = tls
    await site.publisher.publish(allow=True)
    await site.admitter.start()


async def test_a12_a_client_with_an_allowed_name_is_served(site: Site) -> None:
    await start_with_client_check(site, "kube-apiserver")
    site.trust = site.authority.client("kube-apiserver").client_context()
    assert await site.allowed()


async def test_a12_a_client_with_another_name_is_refused(site: Site) -> None:
    await start_with_client_check(site, "kube-apiserver")
    site.trust = site.authority.client("someone").client_context()
    assert 403 == (await site.review()).status
    assert 1.0 == await site.metric("admission_requests_total", reason="client_name")


@pytest.mark.parametrize("shown", ["none", "of another authority"])
async def test_a12_a_client_without_a_trusted_certificate_is_refused(
    site: Site, shown: str
) -> None:
    await start_with_client_check(site)
    if shown != "none":
        other = Authority(site.rig.directory / "others").client("kube-apiserver")
        site.trust.load_cert_chain(other.cert_file, other.key_file)
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        await site.review()
    await site.until_metric("tls_handshake_failures_total", 1.0)
    for path in ("readyz", "livez", "metrics"):
        assert await answers_ok(site.rig.http, f"{site.admitter.metrics_url}/{path}")


@pytest.mark.parametrize(("version", "served"), [("-tls1_1", False), ("-tls1_2", True)])
async def test_a13_tls_below_1_2_is_refused(site: Site, version: str, served: bool) -> None:
    await site.publisher.publish()
    await site.admitter.start()
    address = f"{LOOPBACK}:{site.admitter.port}"
    # Security level 0, or the client itself would not offer 1.1.
    done = subprocess.run(  # noqa: ASYNC221 - nothing else happens meanwhile
        ["openssl", "s_client", "-connect", address, version, "-cipher", "ALL:@SECLEVEL=0"],
        input=b"",
        capture_output=True,
        timeout=WITHIN,
        check=False,
    )
    assert served == (done.returncode == 0)


async def serial(site: Site) -> str:
    client = await site.connect()
    try:
        return str((client.tls.getpeercert() or {})["serialNumber"])
    finally:
        client.close()


async def test_a14_certificates_change_under_load_without_a_failed_request(site: Site) -> None:
    await site.publisher.publish(allow=True)
    await site.admitter.start()
    first = await serial(site)
    reloads = "tls_certificate_reloads_total"
    async with Load([site.admitter], site.trust, rate=50) as load:
        # A key that does not belong to it: the old pair stays.
        files = site.admitter.certificate
        good_key = files.key_file.read_bytes()
        files.key_file.write_bytes(site.authority.server("another").key_file.read_bytes())
        await site.until_metric(reloads, 1.0, result="failure")
        assert first == await serial(site)
        files.key_file.write_bytes(good_key)
        await site.until_metric(reloads, 1.0, result="success")
        # An expired one: the old pair stays.
        yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        site.authority.server(not_after=yesterday)
        await site.until_metric(reloads, 2.0, result="failure")
        assert first == await serial(site)
        # Another kind of key: the new pair serves.
        ends = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=30)
        site.authority.server(not_after=ends, key_type=trustme.KeyType.RSA)
        await wait_until(
            lambda: _differs(site, first), within=WITHIN, what="the new certificate to be served"
        )
        assert ends.timestamp() == await site.metric("tls_certificate_not_after_timestamp_seconds")
    assert (0, True) == (len(load.failures), load.answered > 0)
    assert await site.logged("certificate reloaded")
    assert await site.logged("certificate refused, keeping the old one")


async def test_a14_a_secret_that_the_kubelet_swaps_is_taken_up_as_a_pair(site: Site) -> None:
    secret = MountedSecret(site.rig.directory / "secret")
    secret.swap(site.authority.server("first"))
    site.admitter.certificate = secret.files
    await site.publisher.publish(allow=True)
    await site.admitter.start()
    first = await serial(site)
    async with Load([site.admitter], site.trust, rate=50) as load:
        secret.swap(site.authority.server("second"))
        await wait_until(
            lambda: _differs(site, first), within=WITHIN, what="the new certificate to be served"
        )
    assert ([], True) == (load.failures, load.answered > 0)
    assert 0.0 == await site.metric("tls_certificate_reloads_total", result="failure")


class MountedSecret:
    """A pair as the kubelet mounts it: behind two symlinks, one of which is swapped."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._versions = 0
        for name in ("tls.crt", "tls.key", "ca.crt"):
            (directory / name).symlink_to(f"..data/{name}")

    @property
    def files(self) -> CertificateFiles:
        paths = (self._directory / name for name in ("tls.crt", "tls.key", "ca.crt"))
        cert_file, key_file, ca_file = paths
        return CertificateFiles(cert_file=cert_file, key_file=key_file, ca_file=ca_file)

    def swap(self, fresh: CertificateFiles) -> None:
        """Put another pair in place, both files at once."""
        self._versions += 1
        version = self._directory / f"..version-{self._versions}"
        version.mkdir()
        shutil.copyfile(fresh.cert_file, version / "tls.crt")
        shutil.copyfile(fresh.key_file, version / "tls.key")
        shutil.copyfile(fresh.ca_file, version / "ca.crt")
        link = self._directory / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self._directory / "..data")


async def _differs(site: Site, first: str) -> bool:
    return first != await serial(site)
