"""Secrets Manager's GetSecretValue, for requests with a valid signature."""

import json
from collections import Counter
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.aws.peer import Peer

KEY_ID, SECRET_KEY, SESSION = "AKIDEXAMPLE", "a key/that+only tests know", "a session/of+ours=="
REGION = "eu-central-1"


def arn(name: str) -> str:
    return f"arn:aws:secretsmanager:{REGION}:123456789012:secret:{name}-AbCdEf"


class SecretsManager(Peer):
    """Holds secrets by ARN. Signatures are compared with those of AWS's own SDK."""

    def __init__(self) -> None:
        self.secrets: dict[str, Any] = {}
        self.reads: Counter[str] = Counter()
        self.failures = 0
        super().__init__(_handler(self))

    @property
    def environment(self) -> dict[str, str]:
        """A function's credentials, and the endpoint."""
        return {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.url,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_SESSION_TOKEN": SESSION,
            "KEYSTEAD_SECRETS": ",".join(self.secrets),
        }

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        if self.failures:
            self.failures -= 1
            return 503, {"__type": "InternalServiceError"}
        if headers.get("authorization") != self._signature(headers, body):
            return 400, {"__type": "com.amazon.coral.service#InvalidSignatureException"}
        if headers.get("x-amz-security-token") != SESSION:
            return 400, {"__type": "UnrecognizedClientException"}
        if headers["x-amz-target"] != "secretsmanager.GetSecretValue":
            return 400, {"__type": "UnknownOperationException"}
        name = json.loads(body)["SecretId"]
        if name not in self.secrets:
            return 400, {"__type": "ResourceNotFoundException", "Message": "not there"}
        self.reads[name] += 1
        return 200, {"ARN": name, "SecretString": self.secrets[name]}

    def _signature(self, headers: dict[str, str], body: bytes) -> str | None:
        signed = headers.get("authorization", "").partition("SignedHeaders=")[2].partition(",")[0]
        request = AWSRequest("POST", self.url, {n: headers[n] for n in signed.split(";")}, body)
        request.context["timestamp"] = headers["x-amz-date"]
        credentials = Credentials(KEY_ID, SECRET_KEY, SESSION)
        signer = SigV4Auth(credentials, "secretsmanager", REGION)
        canonical = signer.canonical_request(request)
        to_sign = signer.string_to_sign(request, canonical)
        signature = signer.signature(to_sign, request)
        datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007
        return (
            f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, "
            f"SignedHeaders={signed}, Signature={signature}"
        )


def _handler(manager: SecretsManager) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, told = manager.answer(headers, body)
            answer = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
