"""The secret key of development, in a file that the first process creates."""

import os
import secrets
import tempfile
from pathlib import Path

from app.folders import make_private

SECRET_MIN_LENGTH = 32
"""Characters of a secret key."""


def development_secret(path: Path) -> str:
    """Return the secret at `path`; create it, with mode 0600, atomically among many processes.

    Raises ValueError if the file holds no secret, OSError.
    """
    if not path.exists():
        make_private(path.parent)
        # mkstemp creates with 0600; link() fails if another process was first.
        handle, draft = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(48))
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            Path(draft).unlink()
    secret = path.read_text().strip()
    if len(secret) < SECRET_MIN_LENGTH:
        raise ValueError(f"{path} holds no secret: delete it, and a new one is made")
    return secret
