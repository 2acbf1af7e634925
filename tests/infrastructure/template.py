"""`python -m tests.infrastructure.template FOLDER`: what Chalice makes, to be checked.

As `make package` does it, but without dependencies: the template does not name them.
"""

import sys
from pathlib import Path

from deploy.commands import ROOT
from deploy.package import chalice_package, stage_source


def write_template(folder: Path, stage: str) -> Path:
    """The SAM template of a stage. DeployError."""
    source = folder / "source"
    stage_source(ROOT, source)
    (source / "requirements.txt").write_text("", "utf-8")
    chalice_package(source, stage, "sam", folder / "sam")
    return folder / "sam" / "sam.json"


if __name__ == "__main__":
    write_template(Path(sys.argv[1]).resolve(), "prod")
