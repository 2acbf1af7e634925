"""What `make package` makes: templates, the zip, and that its code runs alone."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from deploy.bundle import LARGEST_BYTES, bytecode_name, check_bundle
from deploy.cloud import QUEUES
from deploy.commands import DeployError
from deploy.package import Package, package
from tests.deploy.stage import ROOT, session

Json = dict[str, Any]

NEEDED = (
    "app.py",
    "chalice/app.py",
    "chalicelib/aws/tables.json",
    "chalicelib/catalogue/core-1.json",
    "chalicelib/models/models.json",
    "chalicelib/players/prompts/p3.toml",
    "pydantic/__init__.py",
    "openai/__init__.py",
    "anthropic/__init__.py",
    "httpx2/__init__.py",
    "aws_lambda_powertools/__init__.py",
)
SECRET = re.compile(
    rb"AKIA[0-9A-Z]{16}|sk-(ant-|proj-)?[A-Za-z0-9_-]{20,}"
    rb"|tilts_[a-z0-9]{8,}_[A-Za-z0-9]{16,}|-----BEGIN [A-Z ]*PRIVATE KEY"
)


def names_in(package: Path) -> list[str]:
    with zipfile.ZipFile(package) as zipped:
        return zipped.namelist()


def template_of(packaged: Package) -> Json:
    template: Json = json.loads(packaged.template.read_text("utf-8"))
    return template


def functions_of(packaged: Package) -> dict[str, Json]:
    return {
        name: one["Properties"]
        for name, one in template_of(packaged)["Resources"].items()
        if one["Type"] == "AWS::Serverless::Function"
    }


def test_the_zip_holds_what_runs_and_nothing_else(packaged: Package) -> None:
    names = names_in(packaged.zip)
    assert set(NEEDED) <= set(names)
    tops = {name.partition("/")[0] for name in names}
    for stranger in ("numpy", "scipy", "pyarrow", "boto3", "botocore", "aiohttp"):
        assert stranger not in tops
    for ours in ("tests", "frontend", "docs", "bench", "deploy", "run.py", ".chalice"):
        assert ours not in tops
    assert packaged.zip.stat().st_size <= LARGEST_BYTES


def test_every_file_has_its_bytecode_and_lambdas_name(packaged: Package) -> None:
    names = set(names_in(packaged.zip))
    sources = {name for name in names if name.endswith(".py")}
    assert not {name for name in sources if bytecode_name(name) not in names}
    with zipfile.ZipFile(packaged.zip) as zipped:
        code = zipped.read(bytecode_name("chalicelib/wiring.py"))
        modes = {entry.external_attr >> 16 for entry in zipped.infolist()}
    assert b"/var/task/chalicelib/wiring.py" in code
    # PEP 552: the lowest bit says that a hash stands here, the next that it is checked.
    assert int.from_bytes(code[4:8], "little") == 0b01
    assert modes == {0o100644}


def test_compiled_modules_are_for_the_functions_processor(packaged: Package) -> None:
    compiled = [name for name in names_in(packaged.zip) if name.endswith(".so")]
    assert compiled
    assert all("aarch64" in name for name in compiled)
    for function in functions_of(packaged).values():
        assert function["Architectures"] == ["arm64"]
        runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
        assert function["Runtime"] == runtime


def test_packaging_again_makes_the_same_bytes(
    packaged: Package, build: Path, checkout: Path
) -> None:
    again = package("dev", build, checkout)
    assert (again.sha, again.shape) == (packaged.sha, packaged.shape)
    for kind in ("sam", "terraform"):
        copy = build / kind / "deployment.zip"
        assert copy.read_bytes() == packaged.zip.read_bytes()


@pytest.mark.verify
def test_packaging_from_nothing_makes_the_same_bytes(
    packaged: Package, checkout: Path, tmp_path: Path
) -> None:
    assert package("dev", tmp_path, checkout).sha == packaged.sha


def test_a_package_that_is_too_large_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large.zip"
    large.write_bytes(b"0" * (LARGEST_BYTES + 1))
    with pytest.raises(DeployError, match="25 is the limit"):
        check_bundle(large)


def test_a_package_with_a_stranger_is_refused(tmp_path: Path) -> None:
    strange = tmp_path / "strange.zip"
    with zipfile.ZipFile(strange, "w") as zipped:
        zipped.writestr("numpy/__init__.py", "")
    with pytest.raises(DeployError, match="holds numpy"):
        check_bundle(strange)


def test_a_dependency_that_cannot_be_had_stops_packaging(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / ".chalice").mkdir(parents=True)
    (root / "chalicelib").mkdir()
    (root / "app.py").write_text(
        "from chalice import Chalice\napp = Chalice(app_name='tilts')\n"
        "@app.lambda_function()\ndef one(event, context): ...\n"
    )
    (root / ".chalice" / "config.json").write_text(
        '{"version": "2.0", "app_name": "tilts", "stages": {"dev": {}}}'
    )
    (root / "requirements.txt").write_text("./nothing-is-here\n")
    with pytest.raises(
        DeployError, match=r"chalice package .* failed: .*nothing-is-here"
    ):
        package("dev", tmp_path / "build", root)


def test_the_template_is_what_aws_understands(packaged: Package) -> None:
    lint = Path(sys.executable).parent / "cfn-lint"
    done = subprocess.run(
        [str(lint), "--regions", "us-east-1", "--", str(packaged.template)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_template_is_transformed_as_sam_does(packaged: Package) -> None:
    template = template_of(packaged)
    for one in template["Resources"].values():
        if "CodeUri" in one["Properties"]:
            one["Properties"]["CodeUri"] = "s3://bucket/key"
    made = Translator({}, Parser(), boto_session=session()).translate(template, {})[
        "Resources"
    ]
    kinds = [one["Type"] for one in made.values()]
    assert kinds.count("AWS::Lambda::Function") == len(functions_of(packaged)) == 9
    assert kinds.count("AWS::Lambda::EventSourceMapping") == len(QUEUES)
    assert kinds.count("AWS::Events::Rule") == 1
    assert kinds.count("AWS::ApiGatewayV2::Stage") == 1


def test_every_queue_that_wakes_a_function_is_checked_before_deploying(
    packaged: Package,
) -> None:
    found = {
        event["Properties"]["Queue"]["Fn::Sub"].rpartition(":")[2]
        for function in functions_of(packaged).values()
        for event in function.get("Events", {}).values()
        if event["Type"] == "SQS"
    }
    assert found == {f"tilts-dev-{name}" for name in QUEUES}


def test_terraform_gets_the_same_functions(packaged: Package, build: Path) -> None:
    text = (build / "terraform" / "chalice.tf.json").read_text("utf-8")
    made = json.loads(text)["resource"]
    handlers = {one["handler"] for one in made["aws_lambda_function"].values()}
    assert handlers == {one["Handler"] for one in functions_of(packaged).values()}
    assert len(made["aws_lambda_event_source_mapping"]) == len(QUEUES)
    assert made["aws_apigatewayv2_route"]
    override = json.loads(
        (build / "terraform" / "chalice_override.tf.json").read_text("utf-8")
    )
    assert override["terraform"]["required_version"] == ">= 1.5"


def test_no_secret_is_packaged(packaged: Package, build: Path) -> None:
    texts = [packaged.template, build / "terraform" / "chalice.tf.json"]
    for path in texts:
        assert not SECRET.search(path.read_bytes()), path
    with zipfile.ZipFile(packaged.zip) as zipped:
        for name in zipped.namelist():
            if name.startswith(("app.py", "chalicelib/")):
                assert not SECRET.search(zipped.read(name)), name
    for function in functions_of(packaged).values():
        for name in function.get("Environment", {}).get("Variables", {}):
            assert not re.search("KEY|SECRET|TOKEN|PEPPER|PASSWORD", name)


@pytest.mark.parametrize(
    "secret",
    [
        b'"AKIAIOSFODNN7EXAMPLE"',
        b"sk-ant-api03-0123456789abcdefghij",
        b"-----BEGIN PRIVATE KEY-----",
    ],
)
def test_a_secret_would_be_seen(secret: bytes) -> None:
    assert SECRET.search(b"x = " + secret)


# The code alone, as Lambda has it.


def alone(task: Path, runtime: Path, code: str) -> "subprocess.CompletedProcess[str]":
    """Run code in an interpreter that can import the package and the runtime only."""
    lead = f"import sys; sys.path[:0] = [{str(task)!r}, {str(runtime)!r}]\n"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", lead + code],
        cwd=task,
        env={"AWS_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


IMPORT_ALL = """
import importlib, pathlib
names = []
for path in sorted(pathlib.Path("chalicelib").rglob("*.py")):
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    if not name.startswith("chalicelib.local"):
        importlib.import_module(name)
        names.append(name)
print(len(names))
"""


def test_every_handler_is_found_with_packaged_dependencies_alone(
    packaged: Package, task: Path, runtime: Path
) -> None:
    handlers = {one["Handler"] for one in functions_of(packaged).values()}
    code = "import app\n" + "".join(
        f"assert callable({handler}), {handler!r}\n" for handler in sorted(handlers)
    )
    done = alone(task, runtime, code)
    assert done.returncode == 0, done.stderr


def test_every_module_has_the_packages_it_imports(task: Path, runtime: Path) -> None:
    done = alone(task, runtime, IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    ours = [
        path
        for path in (ROOT / "chalicelib").rglob("*.py")
        if "local" not in path.relative_to(ROOT).parts
    ]
    assert int(done.stdout) == len(ours)


def test_a_requirement_that_is_missing_is_noticed(
    task: Path, runtime: Path, tmp_path: Path
) -> None:
    without = tmp_path / "without"
    without.mkdir()
    for path in task.iterdir():
        if path.name != "httpx2":
            (without / path.name).symlink_to(path)
    done = alone(without, runtime, IMPORT_ALL)
    assert "No module named 'httpx2'" in done.stderr
