"""`make package`: the app as AWS SAM and as Terraform, with bytecode, in build/."""

import argparse
import filecmp
import hashlib
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.bundle import add_bytecode, check_bundle, is_compiled
from deploy.commands import (
    CHALICE,
    ROOT,
    DeployError,
    region_of_environment,
    run,
    say,
)

ANY_REGION: Final = "us-east-1"
"""Chalice wants one to be named; no package depends on it."""

FORMATS: Final = {"sam": "cloudformation", "terraform": "terraform"}
FILES: Final = ("app.py", "requirements.txt", "chalicelib")
UNPACKAGED: Final = "Could not install dependencies"
LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "*.pyc")

OVERRIDES: Final = {"terraform": {"required_version": ">= 1.5"}}
"""Chalice's Terraform asks for a version below 1.4; a file named *_override wins."""


@dataclass(frozen=True, slots=True)
class Package:
    """What was packaged: the zip, the SAM template, and hashes of both."""

    source: Path
    zip: Path
    template: Path

    @property
    def sha(self) -> str:
        """SHA-256 of the zip."""
        return hashlib.sha256(self.zip.read_bytes()).hexdigest()

    @property
    def shape(self) -> str:
        """SHA-256 of routes, triggers, configuration and policies, but no code."""
        return hashlib.sha256(self.template.read_bytes()).hexdigest()


def known_stages(root: Path = ROOT) -> list[str]:
    """The stages that .chalice/config.json names."""
    text = (root / ".chalice" / "config.json").read_text("utf-8")
    stages: dict[str, Any] = json.loads(text)["stages"]
    return sorted(stages)


def stage_source(root: Path, source: Path) -> None:
    """Copy what is deployed, and only that, to a folder of its own.

    Chalice packages and hashes whatever lies in chalicelib, bytecode of this machine
    too. Earlier packages stay, so that nothing is downloaded twice.
    """
    source.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        target = source / name
        if (root / name).is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(root / name, target, ignore=LEFT_OUT)
        else:
            shutil.copy2(root / name, target)
    settings = source / ".chalice"
    settings.mkdir(exist_ok=True)
    for path in settings.glob("*.json"):
        path.unlink()
    for path in (root / ".chalice").glob("*.json"):
        shutil.copy2(path, settings)


def chalice_package(source: Path, stage: str, kind: str, out: Path) -> None:
    """Let Chalice write one format; DeployError when a dependency has no wheel."""
    shutil.rmtree(out, ignore_errors=True)
    command = [*CHALICE, "package", "--stage", stage, "--pkg-format", FORMATS[kind]]
    region = {"AWS_DEFAULT_REGION": region_of_environment() or ANY_REGION}
    said = run([*command, str(out)], source, region)
    if UNPACKAGED in said:
        shutil.rmtree(source / ".chalice" / "deployments", ignore_errors=True)
        raise DeployError("A dependency has no wheel for Lambda; see the lines above.")


def kept_package(source: Path, copy: Path) -> Path:
    """The zip that Chalice keeps and takes again as long as nothing changes.

    Putting bytecode into this one is how `chalice deploy` comes to upload it.
    """
    for kept in (source / ".chalice" / "deployments").glob("*.zip"):
        if filecmp.cmp(kept, copy, shallow=False):
            return kept
    raise DeployError("Chalice kept no package; remove build/ and try again.")


def forget_others(kept: Path) -> None:
    """Remove packages of earlier code."""
    for other in kept.parent.glob("*.zip"):
        if other != kept:
            other.unlink()


def package(stage: str, build: Path, root: Path = ROOT) -> Package:
    """Stage, package for SAM, add bytecode, check. DeployError. Can be repeated."""
    source = build / "source"
    say(f"Copying what is deployed to {source} ...")
    stage_source(root, source)
    say("Packaging for SAM; new dependencies are downloaded ...")
    chalice_package(source, stage, "sam", build / "sam")
    copy = build / "sam" / "deployment.zip"
    zipped = kept_package(source, copy)
    if not is_compiled(zipped):
        say("Adding bytecode ...")
        add_bytecode(zipped)
        shutil.copy2(zipped, copy)
    check_bundle(zipped)
    forget_others(zipped)
    say(f"{zipped.stat().st_size / 1e6:.1f} MB: {build / 'sam'}")
    return Package(source, zipped, build / "sam" / "sam.json")


def add_terraform(stage: str, build: Path) -> None:
    """Write what was packaged as Terraform too. DeployError."""
    say(f"Packaging for Terraform: {build / 'terraform'} ...")
    chalice_package(build / "source", stage, "terraform", build / "terraform")
    override = build / "terraform" / "chalice_override.tf.json"
    override.write_text(json.dumps(OVERRIDES, indent=2) + "\n", "utf-8")


def main() -> int:
    """The command line of `make package`."""
    parser = argparse.ArgumentParser(prog="make package", description=__doc__)
    parser.add_argument("--stage", default="dev", choices=known_stages())
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    asked = parser.parse_args()
    try:
        build = asked.build.resolve()
        package(asked.stage, build)
        add_terraform(asked.stage, build)
    except DeployError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
