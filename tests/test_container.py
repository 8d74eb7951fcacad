"""The image without an engine: the Dockerfile is judged line by line, and its commands are run one by one.

They run in a folder that stands for the image's root, with the Python at hand instead of the base image's.
The last stage's command is started without any right and with nothing writable but the data folder.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
IMAGE_FOLDERS = ("/app", "/venv", "/data")


@dataclass(frozen=True)
class Instruction:
    name: str
    value: str

    @property
    def flags(self) -> dict[str, str]:
        return dict(re.findall(r"--([a-z-]+)=(\S+)", self.value))

    @property
    def words(self) -> list[str]:
        return [word for word in shlex.split(self.value) if not word.startswith("--")]


@dataclass(frozen=True)
class Stage:
    image: str
    name: str | None
    instructions: tuple[Instruction, ...]

    def all(self, name: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.name == name]

    def one(self, name: str) -> Instruction:
        (found,) = self.all(name)
        return found

    def environment(self) -> dict[str, str]:
        values = " ".join(instruction.value for instruction in self.all("ENV"))
        return dict(pair.split("=", 1) for pair in shlex.split(values))


def parse(text: str) -> list[Stage]:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    instructions = [
        Instruction(name.upper(), value.strip())
        for name, _, value in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]
    stages: list[Stage] = []
    for instruction in instructions:
        if instruction.name == "FROM":
            image, *rest = instruction.value.split()
            stages.append(Stage(image, rest[1] if rest else None, ()))
        else:
            last = stages[-1]
            stages[-1] = Stage(last.image, last.name, (*last.instructions, instruction))
    return stages


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    return parse((ROOT / "Dockerfile").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def test_only_the_last_stage_becomes_the_image_and_it_builds_nothing(stages):
    builder, final = stages
    assert builder.name == "builder"
    assert "pip" not in " ".join(instruction.value for instruction in final.all("RUN"))
    assert {instruction.flags.get("from") for instruction in final.all("COPY")} == {"builder"}


def test_base_images_are_pinned_to_one_python_and_one_debian(stages):
    assert {stage.image for stage in stages} == {"python:3.13-slim-bookworm"}


def test_it_runs_as_a_user_without_rights_and_keeps_data_in_one_volume(stages):
    final = stages[-1]
    assert final.one("USER").value == "10001:10001"
    assert final.one("VOLUME").value == "/data" == final.environment()["PORTAL_DATA_DIR"]
    assert final.environment()["PORTAL_ENVIRONMENT"] == "production"
    # What follows USER is run by that user; nothing may be installed any more.
    names = [instruction.name for instruction in final.instructions]
    assert not {"RUN", "COPY", "ADD"} & set(names[names.index("USER") :])


def test_command_and_healthcheck_need_no_shell(stages):
    final = stages[-1]
    assert json.loads(final.one("CMD").value) == ["portal", "serve"]
    check = json.loads(final.one("HEALTHCHECK").value.partition("CMD ")[2])
    assert check[0] == "python"
    assert "/healthz" in check[-1]


def test_packages_come_from_the_lock_file_with_hashes(stages):
    installs = [
        step
        for instruction in stages[0].all("RUN")
        for step in instruction.value.split("&&")
        if "pip " in step
    ]
    assert len(installs) == 2
    assert {"--require-hashes", "--only-binary"} <= set(installs[0].split())
    assert {"--no-index", "--no-deps"} <= set(installs[1].split())


def test_no_secret_is_written_into_the_image(stages):
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert not re.search(r"SECRET|PASSWORD|TOKEN", text)


def test_only_what_is_copied_is_sent_to_the_builder(stages):
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    sent = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        source.rstrip("/") for instruction in stages[0].all("COPY") for source in instruction.words[:-1]
    }
    assert sent == copied


def test_compose_starts_four_services_that_say_when_they_are_well(compose):
    services = compose["services"]
    assert set(services) == {"portal", "postgres", "redis", "mail"}
    for name, service in services.items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped", name
        if "build" not in service:
            assert re.search(r":[a-z]*\d", service["image"]), f"{name}: {service['image']} is not pinned"


def test_compose_publishes_ports_to_this_machine_only_and_hides_the_database(compose):
    for name, service in compose["services"].items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
    assert "ports" not in compose["services"]["postgres"]
    assert "ports" not in compose["services"]["redis"]


def test_compose_keeps_the_portal_read_only_and_without_rights(compose):
    portal = compose["services"]["portal"]
    assert portal["read_only"] is True
    assert portal["cap_drop"] == ["ALL"]
    assert portal["volumes"] == ["data:/data"]


def test_compose_takes_every_secret_from_outside_and_refuses_to_start_without(compose):
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if name == "PORTAL_SMTP_PASSWORD":
                # Not every mail server asks for one; there is none in the file either.
                assert value == "${PORTAL_SMTP_PASSWORD:-}"
            elif re.search("SECRET|PASSWORD|DATABASE_URL", name):
                assert re.search(r"\$\{[A-Z_]+:\?", value), name


def test_compose_gives_the_keys_of_referrals_to_the_portal_only_and_as_a_file(compose):
    portal = compose["services"]["portal"]
    assert portal["environment"]["PORTAL_REFERRAL_KEYS_FILE"] == "/run/secrets/referral_keys"
    assert "PORTAL_REFERRAL_KEYS" not in portal["environment"]
    assert [name for name, service in compose["services"].items() if "secrets" in service] == ["portal"]
    assert set(compose["secrets"]) == {"referral_keys"}
    assert "/referral_keys" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_compose_sets_only_settings_that_exist(compose):
    from portal.config import Settings

    names = {name for name in compose["services"]["portal"]["environment"] if name.startswith("PORTAL_")}
    assert names <= {f"PORTAL_{field.upper()}" for field in Settings.model_fields}


# Running it


class Image:
    """The folder that stands for the image's root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in IMAGE_FOLDERS:
            (root / folder[1:]).mkdir(parents=True)

    def here(self, text: str) -> str:
        """Absolute paths of the image, as paths in the folder."""
        folders = "|".join(folder[1:] for folder in IMAGE_FOLDERS)
        return re.sub(rf"(?<![\w.])/({folders})(?=[/\s:]|$)", rf"{self.root}/\1", text)

    def copy(self, instruction: Instruction, ignored: list[str]) -> None:
        *sources, target = instruction.words
        for source in sources:
            origin, goal = (
                ROOT / source,
                self.root / "app" / target / (Path(source).name if target == "./" else ""),
            )
            if origin.is_dir():
                shutil.copytree(origin, goal, ignore=shutil.ignore_patterns(*ignored))
            else:
                shutil.copy2(origin, goal)

    def run(self, instruction: Instruction, environment: dict[str, str]) -> None:
        finished = subprocess.run(
            ["/bin/sh", "-ec", self.here(instruction.value)],
            cwd=self.root / "app",
            env={**environment, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", **pip_settings()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        assert finished.returncode == 0, f"{instruction.value}\n{finished.stdout}{finished.stderr}"


def pip_settings() -> dict[str, str]:
    """How this machine reaches its package index; nothing else comes in from outside."""
    names = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE", "HOME", "HTTPS_PROXY", "https_proxy")
    return {name: os.environ[name] for name in names if name in os.environ}


def index_is_reachable(folder: Path) -> bool:
    asked = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-cache-dir",
        "--dest",
        str(folder),
    ]
    return (
        subprocess.run([*asked, "markupsafe"], capture_output=True, check=False, timeout=60).returncode == 0
    )


@pytest.fixture(scope="module")
def image(stages: list[Stage], tmp_path_factory: pytest.TempPathFactory) -> Image:
    if not index_is_reachable(tmp_path_factory.mktemp("index")):
        pytest.skip("the package index cannot be reached")
    ignored = [
        line.removeprefix("**/")
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("**/")
    ]
    image = Image(tmp_path_factory.mktemp("image"))
    builder = stages[0]
    for instruction in builder.instructions:
        if instruction.name == "COPY":
            image.copy(instruction, ignored)
        elif instruction.name == "RUN":
            image.run(instruction, builder.environment())
    return image


@contextmanager
def read_only(*folders: Path) -> Iterator[None]:
    """Not even the owner may write."""
    subprocess.run(["chmod", "-R", "a-w", *map(str, folders)], check=True)
    try:
        yield
    finally:
        subprocess.run(["chmod", "-R", "u+w", *map(str, folders)], check=True)


def without_rights() -> list[str]:
    """Permissions bind root only when it has given up its capabilities, as `cap_drop: [ALL]` makes it do."""
    return ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def contents(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.container
@pytest.mark.timeout(600)
def test_the_build_compiles_translations_and_bytecode(image):
    assert list((image.root / "app" / "translations").glob("*/LC_MESSAGES/*.mo"))
    assert list((image.root / "app" / "portal" / "__pycache__").glob("config.*.pyc"))
    assert not list((image.root / "app").rglob("tests"))


@pytest.mark.container
@pytest.mark.timeout(600)
def test_production_refuses_to_start_without_a_secret(image, stages):
    with start(image, stages, {}) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "PORTAL_SECRET_KEY" in errors.decode()


@pytest.mark.container
@pytest.mark.timeout(600)
def test_it_serves_without_rights_and_writes_nowhere_but_into_the_data_folder(image, stages):
    port = free_port()
    before = contents(image.root / "app")
    with (
        read_only(image.root / "app", image.root / "venv"),
        start(image, stages, {"PORTAL_SECRET_KEY": "x1" * 24}, port=port) as process,
    ):
        try:
            assert eventually(healthcheck(stages[-1], image, port), process)
            status, ready = get(f"http://127.0.0.1:{port}/readyz")
            assert status == 200, ready
            status, page = get(f"http://127.0.0.1:{port}/de/")
            assert status == 200
            assert 'lang="de"' in page
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=30)
            print(errors.decode())
    assert contents(image.root / "app") == before
    assert {path.name for path in (image.root / "data").iterdir()} >= {"harz.sqlite3", "index"}


def start(
    image: Image, stages: list[Stage], environment: dict[str, str], *, port: int = 0
) -> subprocess.Popen[bytes]:
    """The image's command in the image's environment."""
    final = stages[-1]
    command = json.loads(final.one("CMD").value)
    command[0] = str(image.root / "venv" / "bin" / command[0])
    if port:
        command += ["--host", "127.0.0.1", "--port", str(port)]
    given = {name: image.here(value) for name, value in final.environment().items()}
    return subprocess.Popen(
        [*without_rights(), *command],
        cwd=image.root / "app",
        env={**given, "PATH": f"{image.root / 'venv' / 'bin'}:/usr/bin:/bin", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def healthcheck(final: Stage, image: Image, port: int) -> list[str]:
    """The image's own check, asked of another port."""
    command = json.loads(final.one("HEALTHCHECK").value.partition("CMD ")[2])
    return [
        str(image.root / "venv" / "bin" / command[0]),
        *[part.replace("8000", str(port)) for part in command[1:]],
    ]


def eventually(command: list[str], process: subprocess.Popen[bytes], *, seconds: float = 90) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0:
            return True
        time.sleep(0.3)
    return False


def test_the_dockerignore_patterns_mean_what_they_mean_here():
    """Copying uses fnmatch on names; the file may only hold patterns for which that is the same."""
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if line.startswith("**/"):
            assert "/" not in line[3:]
            assert not fnmatch("portal", line[3:])
