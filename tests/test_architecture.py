"""The house keeps its order: who imports whom, how long files are, what starts."""

import ast
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chalice.cli.factory import CLIFactory
from chalice.deploy.validate import validate_configuration

import app

ROOT = Path(__file__).parent.parent
FILES = sorted([ROOT / "app.py", ROOT / "run.py", *(ROOT / "chalicelib").rglob("*.py")])

LAYERS = {
    "app": 0,
    "routes": 1,
    "services": 2,
    "players": 3,
    "models": 4,
    "statistics": 4,
    "games": 5,
    "records": 6,
    "events": 6,
    "errors": 6,
}
"""From the top: a layer imports itself and those below, never beside or above."""

ASIDE = {
    "run": {"app", "wiring", "settings", "local", "routes", "services", "errors"},
    "triggers": {"wiring", "services", "settings", "errors"},
    "wiring": {"settings", "interfaces", "services", "local", "aws", "errors"},
    "interfaces": {"records", "events", "errors"},
    "local": {"local", "interfaces", "records", "events", "errors"},
    "aws": {"aws", "interfaces", "records", "events", "errors"},
    "settings": {"errors"},
}
"""What stands beside the layers, and what of ours it may import."""

ALLOWED_ASIDE = {
    "interfaces": {"services"},
    "triggers": {"app"},
    "wiring": {"app", "routes", "triggers"},
    "settings": {"routes"},
}
"""Which layers may import what stands beside them."""

PACKAGES = {
    "chalice": ("app.py", "run.py", "chalicelib/routes/", "chalicelib/local/"),
    "boto3": ("chalicelib/aws/",),
    "botocore": ("chalicelib/aws/",),
    "aws_lambda_powertools": ("chalicelib/aws/",),
    "aiohttp": ("chalicelib/local/",),
    "sqlite3": ("chalicelib/local/",),
    "openai": ("chalicelib/models/openai.py",),
    "anthropic": ("chalicelib/models/anthropic.py",),
    "httpx2": ("chalicelib/models/",),
}
"""Which files may import a package that is not ours."""

LONGEST = 400
LONGEST_OF = {"rules.py": 500, "oracle.py": 500}
STATEMENTS = 5

NOT_LOADED = (
    "boto3", "botocore", "aws_lambda_powertools", "asyncio", "sqlite3", "aiohttp", "openai", "anthropic",
    "httpx2", "statistics", "tomllib", "chalicelib.local", "chalicelib.aws",
    "chalicelib.models.openai", "chalicelib.models.anthropic",
    "chalicelib.models.compatible", "chalicelib.models.addresses",
)  # fmt: skip
ORACLES = re.compile(r"chalicelib\.games\.\w+\.(oracle|posterior|search|elimination)")


def imports_of(source: str) -> Iterator[tuple[int, str]]:
    """(line, module) of every import in a file, wherever it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            assert node.module
            yield node.lineno, node.module
            if node.module == "chalicelib":
                yield from (
                    (node.lineno, f"chalicelib.{alias.name}") for alias in node.names
                )


def layer_of(module: str) -> str | None:
    """The part of the house that a module belongs to; None: not ours."""
    if module in ("app", "run"):
        return module
    parts = module.split(".")
    return parts[1] if parts[0] == "chalicelib" and len(parts) > 1 else None


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(
        ".__init__"
    )


def may_import(importer: str, imported: str) -> bool:
    if importer in ASIDE:
        return imported in ASIDE[importer] | {importer}
    if imported in ASIDE:
        return importer in ALLOWED_ASIDE.get(imported, set())
    return importer == imported or LAYERS[importer] < LAYERS[imported]


def violations(module: str, name: str, source: str) -> Iterator[str]:
    """What a file imports and may not, each with its line and the two layers."""
    importer = layer_of(module)
    for line, imported in imports_of(source):
        layer = layer_of(imported)
        if importer and layer and not may_import(importer, layer):
            yield f"{name}:{line}: {importer} imports {layer} ({imported})"
        places = PACKAGES.get(imported.partition(".")[0], (name,))
        if not name.startswith(places):
            yield f"{name}:{line}: {imported} belongs in {', '.join(places)}"


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_imports_go_down_and_never_up(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    found = list(violations(module_of(path), name, path.read_text("utf-8")))
    assert not found, "\n".join(found)


def test_every_part_of_the_house_has_a_place_in_the_order() -> None:
    parts = {layer_of(module_of(path)) for path in FILES} - {None}
    assert parts <= set(LAYERS) | set(ASIDE)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("chalicelib.games.x.rules", "from chalicelib.routes import shapes"),
        ("chalicelib.games.x.rules", "from chalicelib import wiring"),
        ("chalicelib.games.x.rules", "from chalicelib.settings import read_settings"),
        ("chalicelib.statistics.x", "import chalicelib.models.openai"),
        ("chalicelib.models.x", "from chalicelib.players.player import Player"),
        ("chalicelib.models.x", "from chalicelib.services.offers import Offers"),
        ("chalicelib.models.x", "from chalicelib.settings import Settings"),
        ("chalicelib.players.x", "from chalicelib.services.players import Players"),
        ("chalicelib.services.x", "from chalicelib.settings import Settings"),
        ("app", "from chalicelib.settings import read_settings"),
        ("chalicelib.players.x", "from chalicelib.interfaces import Store"),
        ("chalicelib.services.x", "def f():\n    from chalicelib.local import queue"),
        ("chalicelib.services.x", "from chalicelib.wiring import tilts"),
        ("chalicelib.routes.x", "import boto3"),
        ("chalicelib.services.x", "from chalice import Chalice"),
        ("chalicelib.local.x", "from chalicelib.services import episodes"),
        ("chalicelib.aws.x", "from chalicelib.local import rows"),
        ("chalicelib.models.openai", "import anthropic"),
        ("chalicelib.records", "from chalicelib.events import Event"),
    ],
)
def test_an_import_that_goes_up_is_seen(module: str, source: str) -> None:
    name = module.replace(".", "/") + ".py"
    (found,) = violations(module, name, source)
    assert found.startswith(name)


def test_what_is_allowed_passes() -> None:
    source = (
        "from chalicelib.games import find_game\nfrom chalicelib.errors import X\n"
        "from chalicelib.players.player import Player\n"
        "from chalicelib.models.catalogue import ModelRow"
    )
    assert not list(
        violations("chalicelib.services.x", "chalicelib/services/x.py", source)
    )


SOURCES = [
    *FILES,
    *sorted((ROOT / "bench").glob("*.py")),
    *sorted((ROOT / "frontend" / "plain").glob("*.js")),
]


@pytest.mark.parametrize(
    "path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    length = len(path.read_text("utf-8").splitlines())
    assert length <= LONGEST_OF.get(path.name, LONGEST)


# What can start.


def in_fresh_interpreter(code: str) -> str:
    """What a new Python prints that runs this code in the project's folder."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_app_loads_only_what_every_function_needs() -> None:
    loaded = json.loads(
        in_fresh_interpreter(
            "import json, sys, app; print(json.dumps(list(sys.modules)))"
        )
    )
    assert "chalicelib.routes.endpoints" in loaded
    banned = [
        name
        for name in loaded
        if name.startswith(tuple(f"{banned}." for banned in NOT_LOADED))
        or name in NOT_LOADED
        or ORACLES.match(name)
    ]
    assert not banned


@pytest.mark.verify
def test_importing_the_app_costs_little_more_than_chalice_and_pydantic() -> None:
    shape = "class A(pydantic.BaseModel):\n    a: int\n"
    clock = "import time; print(time.process_time())"
    base = f"import chalice, pydantic\n{shape}\n{clock}"
    ours = f"import app\n{clock}"
    costs: dict[str, list[float]] = {base: [], ours: []}
    for _ in range(7):
        for code, cost in costs.items():
            cost.append(float(in_fresh_interpreter(code)))
    ratio = statistics.median(costs[ours]) / statistics.median(costs[base])
    assert ratio <= 1.5


def handler_strings() -> list[str]:
    """Every string that Lambda is given to find a handler."""
    found = [source.handler_string for source in app.app.event_sources]
    found += [function.handler_string for function in app.app.pure_lambda_functions]
    found += [found_.handler_string for found_ in app.app.websocket_handlers.values()]
    return [*found, "app.app"]


def test_every_handler_is_found_by_importing_app_alone() -> None:
    names = handler_strings()
    assert len(names) == len(set(names)) >= 8
    answers = in_fresh_interpreter(
        "import app, operator\n"
        f"for name in {names!r}:\n"
        "    print(callable(operator.attrgetter(name.partition('.')[2])(app)))"
    )
    assert answers.split() == ["True"] * len(names)


def test_every_function_that_is_configured_exists() -> None:
    config = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))
    names = {string.partition(".")[2] for string in handler_strings()} - {"app"}
    names.add("api_handler")
    for stage in config["stages"].values():
        assert set(stage.get("lambda_functions", {})) <= names


def test_chalice_itself_loads_and_accepts_the_app() -> None:
    config = CLIFactory(str(ROOT)).create_config_obj("dev")
    assert config.app_name == config.chalice_app.app_name == "tilts"
    assert config.api_gateway_stage == "v1"
    validate_configuration(config)


def test_handlers_have_at_most_five_statements() -> None:
    tree = ast.parse((ROOT / "app.py").read_text("utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(functions) >= 7
    for function in functions:
        assert function.decorator_list, f"{function.name} is no handler"
        count = sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1
        assert count <= STATEMENTS, f"{function.name} has {count} statements"


def assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None]]:
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node.value
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


REGISTRIES = {
    "GAMES": "games/__init__.py",
    "METRICS": "services/metrics.py",
}


@pytest.mark.parametrize("name", REGISTRIES)
def test_a_registry_is_one_literal_dict(name: str) -> None:
    path = ROOT / "chalicelib" / REGISTRIES[name]
    (value,) = [v for n, v in assigned(ast.parse(path.read_text("utf-8"))) if n == name]
    assert isinstance(value, ast.Dict)
    assert all(isinstance(key, ast.Constant) for key in value.keys)
    keys = [key.value for key in value.keys if isinstance(key, ast.Constant)]
    assert len(keys) == len(set(keys)) >= 2


def test_every_registry_has_one_home() -> None:
    homes: dict[str, list[str]] = {}
    for path in FILES:
        for name, _ in assigned(ast.parse(path.read_text("utf-8"))):
            homes.setdefault(name, []).append(path.name)
    for name in (*REGISTRIES, "PLAYERS", "ENDPOINTS"):
        assert len(homes[name]) == 1
