"""One Lambda process on this machine: the Runtime Interface Emulator, without Docker."""

import ctypes
import json
import logging
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import httpx2

from tests.databases.server import free_port

# The client logs each request that it sends, and each event is one.
logging.getLogger("httpx2").setLevel(logging.WARNING)

_MACHINE = {"x86_64": "x86_64", "aarch64": "arm64"}
# The modules of awslambdaric: /var/runtime holds nothing else.
_RUNTIME = ("awslambdaric", "simplejson", "snapshot_restore_py", "runtime_client")
_START_SECONDS = 30


class FunctionError(Exception):
    """The function raised an exception: Lambda's report to the caller."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(f"{told.get('errorType')}: {told.get('errorMessage')}")
        self.kind = told.get("errorType")
        self.message = str(told.get("errorMessage"))


class Emulator:
    """A function in a process of its own, which takes one event at a time."""

    def __init__(
        self,
        task: Path,
        environment: Mapping[str, str],
        folder: Path,
        *,
        handler: str = "handler.handler",
        seconds: int = 60,
        beside: Path | None = None,
    ) -> None:
        """Take the artifact's folder, the settings, and a folder for the log and the runtime.

        `beside`: a folder with a test's own modules, which call ours.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log"
        self._port = free_port()
        self._turn = Lock()
        self._command = [
            str(find_emulator()),
            *("--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"),
            *("--runtime-api-address", f"127.0.0.1:{free_port()}"),
            # Of this environment's packages, only the runtime's are there.
            *(sys.executable, "-S", "-m", "awslambdaric", handler),
        ]
        self._environment = {
            **{k: v for k, v in environment.items() if not k.startswith(("VIRTUAL_ENV", "PYTHON"))},
            "PYTHONPATH": f"{task}:{_runtime(folder / 'runtime')}:{beside or ''}".rstrip(":"),
            "LAMBDA_TASK_ROOT": str(task),
            "_HANDLER": handler,
            "AWS_LAMBDA_FUNCTION_NAME": "keystead",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(seconds),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
            "AWS_REGION": "eu-central-1",
        }
        self._task = task
        self._client = httpx2.Client(timeout=seconds + 30, verify=False)

    def __enter__(self) -> "Emulator":
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._task,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_obey_permissions,
            )
        return self

    def invoke(self, event: object) -> Any:
        """Return the function's result for `event`. Raises FunctionError."""
        return self.invoke_raw(json.dumps(event).encode())

    def invoke_raw(self, event: bytes) -> Any:
        url = f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations"
        with self._turn:
            answer = self._post(url, event)
        try:
            told = answer.json()
        except ValueError:
            raise FunctionError({"errorType": "Crash", "errorMessage": answer.text}) from None
        if isinstance(told, dict) and "errorMessage" in told:
            raise FunctionError(told)
        return told

    def _post(self, url: str, event: bytes) -> httpx2.Response:
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                return self._client.post(url, content=event)
            except httpx2.ConnectError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise AssertionError(f"no emulator:\n{self.log.read_text()}") from None
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """The process that runs the function's code."""
        [child] = _children(self._process.pid)
        return child

    def freeze(self) -> None:
        """Freeze the process, as Lambda does between two events."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def init_ms(self) -> list[float]:
        """Return the duration of each start, in milliseconds."""
        found = re.findall(r"INIT REPORT\(durationMs: ([\d.]+)\)", self.log.read_text())
        return [float(each) for each in found]

    def __exit__(self, *_: object) -> None:
        self._client.close()
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait(10)


def find_emulator() -> Path:
    """Return the emulator's program, which aws-sam-cli ships."""
    found = find_spec("samcli")
    assert found is not None, "pip install --no-deps -r requirements/emulator.txt"
    assert found.origin is not None
    name = f"aws-lambda-rie-{_MACHINE[platform.machine()]}"
    return Path(found.origin).parent / "local" / "rapid" / name


def _runtime(folder: Path) -> Path:
    """Copy the client of Lambda's runtime interface into `folder`, and return it."""
    folder.mkdir(exist_ok=True)
    for name in _RUNTIME:
        found = find_spec(name)
        assert found is not None, name
        assert found.origin is not None
        path = Path(found.origin)
        source = path.parent if path.name == "__init__.py" else path
        link = folder / source.name
        if not link.exists():
            link.symlink_to(source)
    return folder


def _obey_permissions() -> None:
    """Drop root's right to write read-only files, in a new process."""
    drop_from_bounding_set, ignore_permissions = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE
    if os.getuid() == 0:
        ctypes.CDLL(None).prctl(drop_from_bounding_set, ignore_permissions)


def _children(pid: int) -> Iterator[int]:
    for name in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (name / "children").read_text().split())
