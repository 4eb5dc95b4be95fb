"""One true answer of several workers, which die and come back."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from app.metrics.prometheus import PrometheusRecorder
from app.metrics.table import BYTES
from app.metrics.workers import FOLDER_VARIABLE, shared_folder
from tests.databases.server import free_port
from tests.metrics.samples import families, requests, value
from tests.service import WAIT_SECONDS, Server, Service, get, make_environment

pytestmark = pytest.mark.only("sqlite")

LIVE = ("/health/live", "GET", "200")


def ask_all(service: Service, number: int) -> set[int]:
    """Send requests on as many connections; return the process ids of the workers, by the log."""
    for _ in range(number):
        get(str(service.client.base_url.join("/health/live")))
    lines = [line for line in (service.folder / "log").read_text().splitlines() if "pid=" in line]
    return {int(line.rpartition("pid=")[2].split()[0]) for line in lines[-number:]}


@pytest.mark.timeout(300)
def test_each_worker_answers_for_all_and_a_new_one_continues_for_the_dead(tmp_path: Path) -> None:
    port, temporary = free_port(), tmp_path / "tmp"
    temporary.mkdir()
    environment = make_environment(tmp_path, log_level="DEBUG") | {"TMPDIR": str(temporary)}
    with Server(environment, port, 2, tmp_path / "log") as server:
        client = httpx2.Client(base_url=server.url, timeout=60, verify=False)
        service = Service(client, tmp_path, environment)

        def scrape() -> dict[tuple[str, str, str], float]:
            client.close()  # a new connection, perhaps to the other worker
            service.client = httpx2.Client(base_url=server.url, timeout=60, verify=False)
            with service.client:
                return requests(families(service))

        workers: set[int] = set()
        sent = 0
        deadline = time.monotonic() + WAIT_SECONDS
        while len(workers) < 2:
            assert time.monotonic() < deadline
            workers |= ask_all(service, 20)
            sent += 20
        scrapes = [scrape() for _ in range(6)]
        assert {found[LIVE] for found in scrapes} == {sent}
        counted = [found["/metrics", "GET", "200"] for found in scrapes[1:]]
        assert counted == [1, 2, 3, 4, 5]

        [folder] = temporary.glob("keystead-metrics-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        for file in folder.glob("*.table"):
            # Writing to a page without a block would kill a worker when the disk is full.
            assert file.stat().st_blocks * 512 >= file.stat().st_size == BYTES
        files = {file.name for file in folder.glob("*.table")}
        assert files == {"0.table", "1.table"}
        os.kill(min(workers), signal.SIGKILL)
        deadline = time.monotonic() + 2 * WAIT_SECONDS
        while len(workers) < 3:
            assert time.monotonic() < deadline
            try:
                workers |= ask_all(service, 1)
                sent += 1
            except httpx2.TransportError:
                pass  # it was connected to the worker that died
        assert scrape()[LIVE] >= sent
        assert {file.name for file in folder.glob("*.table")} == files
        with httpx2.Client(base_url=server.url, timeout=60, verify=False) as service.client:
            assert value(families(service), "keystead_database_connections_limit") == 40
        assert server.stop() in (0, -signal.SIGTERM)
        assert not list(temporary.iterdir())


def test_workers_add_up_and_a_slot_is_continued() -> None:
    def totals(recorder: PrometheusRecorder) -> tuple[float, float, float]:
        found = {family.name: family for family in recorder.collect()}
        return (
            value(found, "keystead_http_requests_total", route="/users/me"),
            value(found, "keystead_http_request_duration_seconds_bucket", le="0.005"),
            value(found, "keystead_password_hashes_pending"),
        )

    with shared_folder(), PrometheusRecorder() as first:
        first.count_request("/users/me", "GET", 200, 0.004)
        first.set_hashes(3, 256)
        with PrometheusRecorder() as second:
            second.count_request("/users/me", "GET", 200, 0.006)
            second.count_request("/users/me", "GET", 401, 0.005)
            second.set_hashes(4, 256)
            assert totals(first) == totals(second) == (3, 2, 7)
        assert totals(first) == (3, 2, 3)
        with PrometheusRecorder() as third:
            third.count_request("/users/me", "GET", 401, 0.1)
            assert totals(first) == totals(third) == (4, 2, 3)


def test_a_series_too_many_or_too_long_is_counted_nowhere() -> None:
    with PrometheusRecorder() as recorder:
        for n in range(3_000):
            recorder.count_request(f"/{n}", "GET", 200, 0.001)
        recorder.count_request("/" + "x" * 300, "GET", 200, 0.001)
        found = {family.name: family for family in recorder.collect()}
        # Beside a row for each outcome of a log-in, one for connections and one for hashes.
        assert value(found, "keystead_http_requests_total") == 2_048 - 6


def test_folders_of_killed_servers_are_deleted_and_those_in_use_are_not(tmp_path: Path) -> None:
    used, dead, new, others = (
        tmp_path / name
        for name in ("keystead-metrics-1", "keystead-metrics-2", "keystead-metrics-3", "other")
    )
    for folder in (used, dead, new, others):
        folder.mkdir()
        (folder / "0.table").touch()
        (folder / "0.lock").touch()
    foreign = tmp_path / "keystead-metrics-4"
    if os.geteuid() == 0:  # nobody else can give a folder away
        foreign.mkdir()
        os.chown(foreign, 65_534, 65_534)
    kept = {used.name, new.name, others.name, *(path.name for path in [foreign] if path.exists())}
    holding = (
        "import sys, time, filelock\n"
        f"with filelock.FileLock({str(used / '0.lock')!r}):\n"
        "    print(flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", holding], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        hour_ago = time.time() - 3_600
        for folder in (used, dead, others, *tmp_path.glob(foreign.name)):
            os.utime(folder, (hour_ago, hour_ago))
        starting = "import app.metrics.workers as w\nwith w.shared_folder(): pass"
        environment = os.environ | {"TMPDIR": str(tmp_path)}
        subprocess.run([sys.executable, "-c", starting], env=environment, check=True)
    finally:
        holder.kill()
        holder.communicate()
    assert {folder.name for folder in tmp_path.iterdir()} == kept


def test_a_worker_whose_disk_is_full_counts_alone() -> None:
    with shared_folder():
        folder = Path(os.environ[FOLDER_VARIABLE])
        with PrometheusRecorder() as shared:
            assert shared.is_shared
            # As with a full disk, the file cannot be written.
            (folder / "1.draft").mkdir()
            with PrometheusRecorder() as alone:
                assert not alone.is_shared
                alone.count_request("/users/me", "GET", 200, 0.001)
                [total] = requests({family.name: family for family in alone.collect()}).values()
                assert total == 1
            shared.count_login("success")
            found = {family.name: family for family in shared.collect()}
            assert value(found, "keystead_logins_total", outcome="success") == 1
            assert value(found, "keystead_http_requests_total") == 0
    assert not folder.exists()
    assert FOLDER_VARIABLE not in os.environ


def test_a_server_whose_workers_cannot_share_says_what_to_do(tmp_path: Path) -> None:
    starting = (
        "import tempfile; tempfile.tempdir = '/nowhere'\nfrom app.cli.main import main; main()"
    )
    command = [sys.executable, "-c", starting, "serve", "--workers=2", f"--port={free_port()}"]
    environment = make_environment(tmp_path)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "No such file or directory; name one with TMPDIR" in done.stderr
