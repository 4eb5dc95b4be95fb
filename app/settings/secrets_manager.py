"""A client of AWS Secrets Manager in the standard library: boto3 takes 200 ms to import."""

import hashlib
import hmac
import json
import os
import re
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit

from app import clock

_SERVICE = "secretsmanager"
_TIMEOUT_SECONDS = 3
_TRIES = 2
# As the AWS SDKs spell it: an interface endpoint's own name, or a test's server.
_ENDPOINT = "AWS_ENDPOINT_URL_SECRETS_MANAGER"


class Unreadable(ValueError):
    """A secret cannot be read. The message names it and the reason, never its value."""


def read(arn: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the members of the secret at `arn`, a JSON object, that are texts or numbers.

    Takes the region from the ARN and the credentials from where Lambda puts them. Raises
    Unreadable.
    """
    parts = arn.split(":")
    if len(parts) != 7 or parts[2] != _SERVICE or not re.fullmatch(r"[a-z0-9-]+", parts[3]):
        raise Unreadable(f"not the ARN of a secret: {arn}")
    region = parts[3]
    url = environment.get(_ENDPOINT) or endpoint(parts[1], region)
    answer = _ask(url, region, json.dumps({"SecretId": arn}).encode(), environment, arn)
    try:
        members = json.loads(json.loads(answer)["SecretString"])
        return {name: str(value) for name, value in members.items() if _says(value)}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unreadable(f"{arn}: the secret is not a JSON object") from None


def endpoint(partition: str, region: str) -> str:
    """Return where Secrets Manager is asked in a region of a partition (`aws`, `aws-cn`, …)."""
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    return f"https://{_SERVICE}.{region}.{suffix}"


def _says(value: object) -> bool:
    """Tell whether it can be a setting: neither empty nor a container."""
    return isinstance(value, str | int | float) and value != ""


def _ask(url: str, region: str, body: bytes, environment: Mapping[str, str], arn: str) -> bytes:
    for tries_left in reversed(range(_TRIES)):
        request = urllib.request.Request(url, body, _signed(url, region, body, environment))
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
                answer: bytes = response.read()
                return answer
        except HTTPError as error:
            if error.code < 500 or not tries_left:
                raise Unreadable(f"{arn}: {_reason(error)}") from None
        except (OSError, HTTPException) as error:
            if not tries_left:
                raise Unreadable(f"{arn}: {url} does not answer: {error}") from None
    raise AssertionError


def _reason(error: HTTPError) -> str:
    """Return the name that AWS gives the refusal, such as AccessDeniedException."""
    try:
        return str(json.loads(error.read())["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError, OSError, HTTPException):
        return f"status {error.code}"


def _signed(url: str, region: str, body: bytes, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request for a secret, signed: AWS Signature Version 4."""
    moment = clock.now().strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": urlsplit(url).netloc,
        "x-amz-date": moment,
        "x-amz-target": "secretsmanager.GetSecretValue",
    }
    if token := environment.get("AWS_SESSION_TOKEN"):
        headers["x-amz-security-token"] = token
    names = ";".join(sorted(headers))
    listed = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = "\n".join(["POST", "/", "", listed, names, hashlib.sha256(body).hexdigest()])
    scope = f"{moment[:8]}/{region}/{_SERVICE}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{environment.get('AWS_SECRET_ACCESS_KEY', '')}".encode()
    for part in (moment[:8], region, _SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"{environment.get('AWS_ACCESS_KEY_ID', '')}/{scope}"
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    )
    return headers
