"""A stage on the cloud of this machine, and the commands that an owner runs there."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from chalicelib.aws.tables import create_tables
from deploy.cloud import Cloud
from deploy.package import stage_source
from tests.deploy.routes import rest_event, socket_event

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
ACCOUNT = "123456789012"
BOUNDARY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}],
}
COPIED = (
    "deploy",
    "deploy-lambda.sh",
    "Makefile",
    "requirements-dev.txt",
    "requirements-run.txt",
    ".gitignore",
)


def session() -> boto3.Session:
    return boto3.Session("testing", "testing", region_name=REGION)


class LocalCloud(Cloud):
    """A stage whose clients speak to a cloud on this machine."""

    address = ""

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.address)


def make_what_terraform_makes(cloud: Cloud) -> None:
    """Tables, queues, bucket and parameters of a stage."""
    create_tables(cloud.client("dynamodb"), cloud.prefix)
    for queue in cloud.queues:
        cloud.client("sqs").create_queue(QueueName=queue)
    cloud.client("s3").create_bucket(Bucket=cloud.bucket)
    cloud.client("ssm").put_parameter(
        Name=f"/tilts/{cloud.stage}/key-pepper",
        Value="a pepper for tests, 32 characters",
        Type="SecureString",
    )
    cloud.client("iam").create_policy(
        PolicyName=f"{cloud.prefix}-boundary",
        PolicyDocument=json.dumps(BOUNDARY),
    )


def clone(target: Path) -> Path:
    """A committed repository with what deployment needs, and a suite for tests."""
    stage_source(ROOT, target)
    for name in COPIED:
        path = ROOT / name
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, target / name, ignore=ignored)
        else:
            shutil.copy2(path, target / name)
    tiny = ROOT / "tests" / "data" / "suites" / "tiny-1.json"
    shutil.copy2(tiny, target / "chalicelib" / "catalogue")
    import json as j

    c = j.loads((target / ".chalice/config.json").read_text())
    c["stages"]["dev"].setdefault("environment_variables", {})["TILTS_STAGE"] = "dev"
    (target / ".chalice/config.json").write_text(j.dumps(c))  # TMP
    commit(target, "init", "--quiet")
    commit(target, "add", "--all")
    commit(target, "commit", "--quiet", "--message", "a state")
    return target


def commit(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=Tilts", "-c", "user.email=tilts@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@dataclass
class Stage:
    """The stage `dev`: a clone to deploy it from, and the cloud that it runs in."""

    clone: Path
    folder: Path
    address: str
    key: str = ""

    @cached_property
    def cloud(self) -> Cloud:
        made = LocalCloud("dev", session())
        made.address = self.address
        return made

    def client(self, service: str) -> Any:
        return self.cloud.client(service)

    @property
    def environment(self) -> dict[str, str]:
        """What the owner's shell has set."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHON": sys.executable,
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
        }

    def ask(
        self, *words: str, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run ./deploy-lambda.sh with these words."""
        return self.run("./deploy-lambda.sh", *words, **environment)

    def make(self, target: str) -> "subprocess.CompletedProcess[str]":
        """Run make with this interpreter in place of the one it would install."""
        ready = self.folder / "ready"
        ready.touch()
        place = Path(sys.executable).parent
        return self.run("make", target, "STAGE=dev", f"BIN={place}", f"READY={ready}")

    def run(
        self, *words: str, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            words,
            cwd=self.clone,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def call(self, method: str, path: str, body: Any = None) -> Json:
        """Ask the deployed API as API Gateway does; status and body."""
        reply = self.invoke("tilts-dev", rest_event(self.key, method, path, body))
        return {"status": reply["statusCode"], "body": json.loads(reply["body"])}

    def tell_socket(self, handler: str, body: Any = None) -> Json:
        """Tell the deployed socket functions what a spectator does."""
        return self.invoke(
            f"tilts-dev-websocket_{handler}", socket_event(handler, body)
        )

    def invoke(self, function: str, event: Json) -> Json:
        answer = self.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(event)
        )
        reply: Json = json.loads(answer["Payload"].read() or b"{}") or {}
        assert "FunctionError" not in answer, reply
        return reply

    def noted(self, name: str) -> list[Json]:
        """What the cloud has written down: invocations, frames, deployments."""
        path = self.folder / f"{name}.ndjson"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]
