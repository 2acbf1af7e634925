"""One package for all tests of deployment, and a cloud for those that deploy it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.package import Package, add_terraform, package
from tests.deploy.sandbox import make_runtime, place_task, unpack
from tests.deploy.stage import ROOT, Stage, clone, make_what_terraform_makes


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed copy of this repository that tests may deploy from."""
    return clone(tmp_path_factory.mktemp("clone") / "tilts")


@pytest.fixture(scope="session")
def build(checkout: Path) -> Path:
    return checkout / "build"


@pytest.fixture(scope="session")
def packaged(checkout: Path, build: Path) -> Package:
    made = package("dev", build, checkout)
    add_terraform("dev", build)
    return made


@pytest.fixture(scope="session")
def task(packaged: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked package, as Lambda sees it."""
    return unpack(packaged.zip, tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Lambda's runtime brings along."""
    return make_runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def cloud(
    packaged: Package, task: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str]]:
    """The folder and the address of a cloud on this machine."""
    folder = tmp_path_factory.mktemp("cloud")
    place_task(folder, packaged.zip.read_bytes(), task)
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.deploy.cloud", str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdin
        assert process.stdout
        address = process.stdout.readline().strip()
        assert address, (folder / "server.log").read_text()
        yield folder, address
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


@pytest.fixture(scope="module")
def stage(checkout: Path, packaged: Package, cloud: tuple[Path, str]) -> Stage:
    """The stage dev, before its first deployment, as Terraform leaves it."""
    made = Stage(checkout, *cloud)
    make_what_terraform_makes(made.cloud)
    return made
