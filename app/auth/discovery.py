"""What other services need to verify access tokens by themselves."""

import json
from hashlib import sha256
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, RootModel

from app.http.dependencies import ResourcesDep

MAX_AGE_SECONDS = 300
"""For how long the documents may be cached: a new key is published before it signs."""

router = APIRouter(prefix="/.well-known", tags=["services"])


class KeySet(BaseModel):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, str]]


class ServerMetadata(RootModel[dict[str, str | list[str]]]):
    """Authorization server metadata (RFC 8414)."""


@router.get(
    "/jwks.json",
    name="services:jwks",
    summary="The public keys of access tokens",
    response_model=KeySet,
    responses={304: {"description": "Not modified."}},
)
async def show_keys(request: Request, resources: ResourcesDep) -> Response:
    """A JSON Web Key Set (RFC 7517); the first key signs, and tokens of each are valid."""
    return _cacheable(request, {"keys": [key.jwk for key in resources.access_tokens.keys]})


@router.get(
    "/oauth-authorization-server",
    name="services:metadata",
    summary="The addresses that OAuth clients need",
    response_model=ServerMetadata,
    responses={304: {"description": "Not modified."}},
)
async def show_metadata(request: Request, resources: ResourcesDep) -> Response:
    """Authorization server metadata (RFC 8414)."""
    base_url = resources.settings.base_url
    metadata = {
        "issuer": resources.access_tokens.issuer,
        "token_endpoint": f"{base_url}/auth/token",
        "token_endpoint_auth_methods_supported": ["none"],
        "grant_types_supported": ["password", "refresh_token"],
        "response_types_supported": [],
        "jwks_uri": f"{base_url}/.well-known/jwks.json",
        "revocation_endpoint": f"{base_url}/auth/revoke",
        "revocation_endpoint_auth_methods_supported": ["none"],
        "service_documentation": f"{base_url}/docs",
    }
    if resources.settings.service_token:
        metadata["introspection_endpoint"] = f"{base_url}/auth/introspect"
        metadata["introspection_endpoint_auth_methods_supported"] = ["Bearer"]
    return _cacheable(request, metadata)


def _cacheable(request: Request, content: dict[str, Any]) -> Response:
    """Return `content`, or 304 for a client that has it (RFC 9110, section 13.1.2)."""
    etag = f'"{sha256(json.dumps(content).encode()).hexdigest()[:32]}"'
    headers = {"Cache-Control": f"public, max-age={MAX_AGE_SECONDS}", "ETag": etag}
    known = request.headers.get("If-None-Match", "").split(",")
    if not {"*", etag}.isdisjoint(one.strip().removeprefix("W/") for one in known):
        return Response(status_code=304, headers=headers)
    return JSONResponse(content, headers=headers)
