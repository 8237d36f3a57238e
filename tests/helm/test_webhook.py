"""The ValidatingWebhookConfiguration and the four sources of its certificate."""

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.helm.chart import NAMESPACE, Chart, Object, Rendered, nested

INJECTED = ("certManager", "openshiftServiceCA")
SERVICE = "etcd-shield-admitter"
PEM = "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n"
OWN = {"mode": "existingSecret", "existingSecret": {"name": "own", "caBundle": PEM}}


def configuration(rendered: Rendered) -> Object:
    return rendered.one("ValidatingWebhookConfiguration")


def webhook(rendered: Rendered) -> Object:
    (only,) = configuration(rendered)["webhooks"]
    found: Object = only
    return found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("failurePolicy", "Fail"),
        ("timeoutSeconds", 3),
        ("sideEffects", "None"),
        ("matchPolicy", "Equivalent"),
        ("admissionReviewVersions", ["v1"]),
    ],
)
def test_the_webhook_has_by_default(plain: Rendered, field: str, value: object) -> None:
    assert value == webhook(plain)[field]


def test_it_asks_about_new_pipeline_runs_of_both_versions(plain: Rendered) -> None:
    rule = {
        "apiGroups": ["tekton.dev"],
        "apiVersions": ["v1", "v1beta1"],
        "resources": ["pipelineruns"],
        "operations": ["CREATE"],
        "scope": "Namespaced",
    }
    assert [rule] == webhook(plain)["rules"]


def test_its_own_namespace_is_never_asked_about(chart: Chart) -> None:
    selector = {"matchLabels": {"shield": "on"}}
    chosen = webhook(chart.render(nested("webhook.namespaceSelector", selector)))
    own = {
        "key": "kubernetes.io/metadata.name",
        "operator": "NotIn",
        "values": [NAMESPACE, "kube-system"],
    }
    assert {"matchExpressions": [own], **selector} == chosen["namespaceSelector"]


@pytest.mark.parametrize("name", ["objectSelector", "matchConditions"])
def test_what_is_not_restricted_is_not_mentioned(plain: Rendered, name: str) -> None:
    assert name not in webhook(plain)


def test_operations_reach_the_service_too(chart: Chart) -> None:
    rendered = chart.render(nested("webhook.operations", ["CREATE", "UPDATE"]))
    assert ["CREATE", "UPDATE"] == webhook(rendered)["rules"][0]["operations"]
    assert "operations:\n- CREATE\n- UPDATE\n" in rendered.config("admitter")


def test_it_calls_the_admitters_service(plain: Rendered) -> None:
    called = webhook(plain)["clientConfig"]["service"]
    port = plain.one("Service", SERVICE)["spec"]["ports"][0]
    assert (SERVICE, NAMESPACE, port["port"]) == (
        called["name"],
        called["namespace"],
        called["port"],
    )


def test_switched_off_it_is_not_rendered(chart: Chart) -> None:
    assert [] == chart.render(nested("webhook.enabled", value=False)).of(
        "ValidatingWebhookConfiguration"
    )


def test_self_signed_serves_what_the_api_server_trusts(plain: Rendered) -> None:
    secret = plain.one("Secret", f"{SERVICE}-tls")["data"]
    assert secret["ca.crt"] == webhook(plain)["clientConfig"]["caBundle"]
    ca, leaf = (
        x509.load_pem_x509_certificate(base64.b64decode(secret[key]))
        for key in ("ca.crt", "tls.crt")
    )
    leaf.verify_directly_issued_by(ca)


def test_self_signed_bears_the_services_name(plain: Rendered) -> None:
    secret = plain.one("Secret", f"{SERVICE}-tls")["data"]
    leaf = x509.load_pem_x509_certificate(base64.b64decode(secret["tls.crt"]))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert f"{SERVICE}.{NAMESPACE}.svc" in names.get_values_for_type(x509.DNSName)


def test_self_signed_has_a_key_that_makes_handshakes_cheap(plain: Rendered) -> None:
    pem = base64.b64decode(plain.one("Secret", f"{SERVICE}-tls")["data"]["tls.key"])
    key = load_pem_private_key(pem, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert "secp256r1" == key.curve.name


@pytest.mark.parametrize("mode", INJECTED)
def test_an_injected_ca_bundle_is_left_to_its_injector(chart: Chart, mode: str) -> None:
    rendered = chart.render(nested("webhook.tls.mode", mode))
    assert "caBundle" not in webhook(rendered)["clientConfig"]
    # Else helm would take away what was injected at each upgrade, or bring a Secret in its way.
    assert [] == [s for s in rendered.of("Secret") if s["metadata"]["name"].endswith("-tls")]


@pytest.mark.parametrize(
    ("mode", "annotation"),
    [
        ("certManager", {"cert-manager.io/inject-ca-from": f"{NAMESPACE}/{SERVICE}"}),
        ("openshiftServiceCA", {"service.beta.openshift.io/inject-cabundle": "true"}),
    ],
)
def test_the_injector_is_asked(chart: Chart, mode: str, annotation: dict[str, str]) -> None:
    rendered = chart.render(nested("webhook.tls.mode", mode))
    assert annotation.items() <= configuration(rendered)["metadata"]["annotations"].items()


def test_openshift_is_asked_for_the_certificate(chart: Chart) -> None:
    rendered = chart.render(nested("webhook.tls.mode", "openshiftServiceCA"))
    asked = rendered.one("Service", SERVICE)["metadata"]["annotations"]
    assert {"service.beta.openshift.io/serving-cert-secret-name": f"{SERVICE}-tls"} == asked


def test_cert_manager_without_an_issuer_gets_a_ca_that_outlives_the_certificate(
    chart: Chart,
) -> None:
    rendered = chart.render(nested("webhook.tls.mode", "certManager"))
    assert rendered.one("Certificate", f"{SERVICE}-ca")["spec"]["isCA"] is True
    leaf = rendered.one("Certificate", SERVICE)["spec"]
    assert {"name": f"{SERVICE}-ca", "kind": "Issuer", "group": "cert-manager.io"} == leaf[
        "issuerRef"
    ]


def test_cert_manager_with_an_issuer_brings_none(chart: Chart) -> None:
    issuer = {"name": "corporate", "kind": "ClusterIssuer"}
    tls = {"mode": "certManager", "certManager": {"issuerRef": issuer}}
    rendered = chart.render(nested("webhook.tls", tls))
    assert [] == rendered.of("Issuer")
    assert "corporate" == rendered.one("Certificate")["spec"]["issuerRef"]["name"]


def test_an_existing_secret_is_served_with_its_ca_in_the_webhook(chart: Chart) -> None:
    rendered = chart.render(nested("webhook.tls", OWN))
    volumes: list[Any] = rendered.pod("admitter")["volumes"]
    served = next(v for v in volumes if "tls" == v["name"])
    assert "own" == served["secret"]["secretName"]
    bundle = webhook(rendered)["clientConfig"]["caBundle"]
    assert PEM == base64.b64decode(bundle).decode()
