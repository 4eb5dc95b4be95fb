"""The verifiers of docs/services.md: what they accept, and that they follow the server's keys."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from app.cli import main as cli
from app.crypto.access_tokens import SigningKey
from app.settings.private_keys import read_private_keys
from tests.clients.tools import TOOLS, TYPESCRIPT, run
from tests.databases import debian
from tests.databases.server import free_port
from tests.docs.console import ROOT, blocks
from tests.service import PASSWORD, Server, make_environment, new_address, run_main

pytestmark = [pytest.mark.only("sqlite"), pytest.mark.timeout(300)]

PAGE, CACHE = ROOT / "docs/services.md", ROOT / ".cache"
KINDS = {"EdDSA": "ed25519", "ES256": "p256", "RS256": "rsa"}
DEFAULT = "http://127.0.0.1:8080"
# Each reads a token a line, and answers with its subject or `refused`.
PYTHON = """
import sys
for line in sys.stdin:
    claims = claims_of(line.strip())
    print(claims["sub"] if claims else "refused", flush=True)
"""
TYPESCRIPT_MAIN = """
import { createInterface } from "node:readline";
import { errors } from "jose";
for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log((await claimsOf(line)).sub);
  } catch (error) {
    const known = error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout);
    console.log(known ? "refused" : String(error));
  }
}
"""
GO_MAIN = """
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
)

func main() {
	keys, err := NewKeys(context.Background())
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if claims, err := ClaimsOf(lines.Text(), keys); err == nil {
			fmt.Println(claims.Subject())
		} else {
			fmt.Println("refused")
		}
	}
}
"""


def python(folder: Path, url: str) -> list[str | Path]:
    code = blocks(PAGE, "python")[0].replace(DEFAULT, url)
    # An unknown key is asked for at once, not 30 seconds after the last time.
    quick = code.replace("timeout=2)", "timeout=2, cooldown_duration=0)")
    assert quick != code
    (folder / "verify.py").write_text(quick + PYTHON)
    return [sys.executable, folder / "verify.py"]


def typescript(folder: Path, url: str) -> list[str | Path]:
    (block,) = blocks(PAGE, "ts")
    code = block.replace(DEFAULT, url)
    quick = code.replace("cacheMaxAge: 300_000", "cooldownDuration: 0")
    assert quick != code
    (folder / "verify.ts").write_text(quick + TYPESCRIPT_MAIN)
    run("node_modules/.bin/tsc", *TYPESCRIPT, "verify.ts", folder=folder)
    return [TOOLS / "node", folder / "verify.js"]


def go(folder: Path, url: str) -> list[str | Path]:
    """Compile the page's Go with the library of Debian's package, as Go's proxy is out of reach."""
    (block,) = blocks(PAGE, "go")
    code = block.replace(DEFAULT, url).replace("package keystead", "package main")
    quick = code.replace("5*time.Minute", "time.Second").replace("time.Minute", "time.Second")
    assert quick != code
    packages = ["golang-github-lestrrat-go-jwx-dev"]
    libraries = debian.unpack("go-jwx", packages, CACHE, suite="trixie") / "usr/share/gocode"
    module = folder / "go/src/verify"
    module.mkdir(parents=True)
    (module / "go.mod").write_text("module verify\n")
    (module / "keystead.go").write_text(quick)
    (module / "main.go").write_text(GO_MAIN)
    settings = {
        "GO111MODULE": "off",
        "GOPATH": f"{folder / 'go'}:{libraries}",
        "GOCACHE": str(CACHE / "go-build"),
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    assigned = [f"{name}={value}" for name, value in settings.items()]
    run("env", *assigned, TOOLS / "go", "build", "-o", folder / "verify", folder=module)
    return [folder / "verify"]


@contextmanager
def verifier(command: list[str | Path]) -> Iterator[Callable[[str], str]]:
    """Start the process, and return a function that lets it verify a token."""
    process = subprocess.Popen(
        list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def verify(token: str) -> str:
        stdin.write(f"{token}\n")
        stdin.flush()
        return stdout.readline().strip()

    try:
        yield verify
    finally:
        process.kill()
        process.communicate()


def log_in(url: str, address: str) -> dict[str, Any]:
    form = {"username": address, "password": PASSWORD}
    answer = httpx2.post(f"{url}/auth/jwt/login", data=form, verify=False)
    pair: dict[str, Any] = answer.json()
    return pair


def forgeries(token: str, key: SigningKey) -> Iterator[tuple[str, str, bool]]:
    """Yield the name of a token, the token, and whether it is valid; like `token`, but for that."""
    good = jwt.decode(token, options={"verify_signature": False})
    header = {"typ": "at+jwt", "kid": key.id}
    now = int(time.time())

    def sign(claims: dict[str, Any], **changed: str) -> str:
        present = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(present, key.private, key.algorithm, header | changed)

    yield "the same", sign(good), True
    yield "a clock that is late", sign(good | {"exp": now - 2}), True
    yield "a clock that is early", sign(good | {"iat": now + 3}), True
    yield "expired", sign(good | {"exp": now - 10}), False
    yield "another type", sign(good, typ="JWT"), False
    yield "another key's name", sign(good, kid="x"), False
    yield "another issuer", sign(good | {"iss": "https://evil.example"}), False
    yield "another audience", sign(good | {"aud": "https://evil.example"}), False
    for name in ("exp", "aud", "iss", "sub", "sid"):
        yield f"without {name}", sign(good | {name: None}), False
    (other,) = read_private_keys(new_key(KINDS[key.algorithm]))
    yield "another key", jwt.encode(good, other, key.algorithm, header), False
    unsigned = jwt.encode(good, "", "none", header)
    yield "no signature", unsigned, False
    yield "no algorithm, yet a signature", unsigned + token.rpartition(".")[2], False
    for secret in (key.jwk.get("x") or key.jwk["n"], key.id):  # the public key, as a secret
        yield "a symmetric algorithm", jwt.encode(good, secret, "HS256", header), False
    yield "no token", "x", False


def new_key(kind: str) -> str:
    return run_main(cli.main, os.environ, ["keystead", "keys", "new", kind])


@pytest.mark.parametrize("prepare", [python, typescript, go], ids=lambda prepare: prepare.__name__)
def test_a_service_verifies_tokens_of_each_kind_of_key_and_follows_a_rotation(
    folder: Path, tmp_path: Path, prepare: Callable[[Path, str], list[str | Path]]
) -> None:
    """One key after the other signs, with those before it kept; the verifier goes on running."""
    if prepare is go and debian.distribution() != "debian":
        pytest.skip("the library is a package of Debian's")
    port = free_port()
    url, address = f"http://127.0.0.1:{port}", new_address()
    pem, tokens = "", []
    with verifier(prepare(folder, url)) as verify:
        for kind in KINDS.values():
            pem = new_key(kind) + pem
            environment = make_environment(tmp_path, signing_key=pem)
            with Server(environment, port, 1, tmp_path / "log"):
                account = {"email": address, "password": PASSWORD}
                httpx2.post(f"{url}/auth/register", json=account, verify=False)
                token = log_in(url, address)["access_token"]
                subject = jwt.decode(token, options={"verify_signature": False})["sub"]
                deadline = time.monotonic() + (15 if prepare is go else 0)
                while verify(token) == "refused" and time.monotonic() < deadline:
                    time.sleep(0.5)
                tokens.append(token)
                assert [verify(each) for each in tokens] == [subject] * len(tokens)
                key = SigningKey.of(read_private_keys(pem)[0])
                for name, forged, is_valid in forgeries(token, key):
                    assert verify(forged) == (subject if is_valid else "refused"), (kind, name)
