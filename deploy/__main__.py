"""The command line behind deploy-lambda.sh."""

import argparse
import sys

from chalicelib.errors import StartError
from deploy.cloud import Cloud, in_one_line
from deploy.commands import ROOT, DeployError, say
from deploy.keys import make_key
from deploy.package import known_stages, package
from deploy.preflight import check_cloud, check_machine
from deploy.records import Records
from deploy.release import deploy_all, deploy_part, foretell, go_back, show
from deploy.teardown import confirm, forget_data, take_down

EXPLANATION = """\
all        deploy everything: functions, REST API, socket, triggers, roles
api        update only the code of the functions that answer requests and sockets
workers    update only the code of the functions that queues and schedules wake
rollback   give the functions back the packages of the release before
teardown   delete what was deployed; tables, queues and bucket stay
key        make an admin's access key, the first of a stage, and show it once
unlock     let others deploy after a deployment that was killed

Each may be run twice. What broke off is mended by the next run of the same command.
Tables, queues and bucket come from infrastructure/ (Terraform), which is run first.
"""


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(
        prog="./deploy-lambda.sh",
        description=EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what",
        nargs="?",
        default="all",
        choices=["all", "api", "workers", "rollback", "teardown", "key", "unlock"],
    )
    parser.add_argument("stage", nargs="?", default="dev")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done; change nothing"
    )
    parser.add_argument(
        "--allow-dirty", action="store_true", help="deploy what is not committed too"
    )
    parser.add_argument(
        "--yes", action="store_true", help="teardown: do not ask for the stage's name"
    )
    parser.add_argument(
        "--with-data",
        action="store_true",
        help="teardown: delete tables, queues and the bucket too, for good",
    )
    return parser


def deploy(cloud: Cloud, asked: argparse.Namespace) -> None:
    """Check, package, deploy `all`, `api` or `workers`. DeployError."""
    check_machine(allow_dirty=asked.allow_dirty)
    check_cloud(cloud)
    made = package(cloud.stage, ROOT / "build")
    if asked.dry_run:
        foretell(cloud, asked.what, made)
        return
    with Records(cloud).locked():
        if asked.what == "all":
            record = deploy_all(cloud, made)
        else:
            record = deploy_part(cloud, made, asked.what)
    show(cloud, record)


def tear_down(cloud: Cloud, asked: argparse.Namespace) -> None:
    """Take a stage down, its data too where that was asked for. DeployError."""
    what = "functions and APIs" + (" AND ALL DATA" if asked.with_data else "")
    account = cloud.identity["account"]
    say(f"Deletes {what} of {cloud.stage} in account {account}.")
    if asked.dry_run:
        return
    if not asked.yes:
        say(f"Type {cloud.stage} to go on:")
        confirm(cloud.stage, sys.stdin.readline())
    with Records(cloud).locked():
        take_down(cloud)
    if asked.with_data:
        forget_data(cloud)
        say("`terraform destroy` removes the rest.")
    else:
        say(f"Kept: the tables and queues {cloud.prefix}-*, the bucket {cloud.bucket}.")


def act(asked: argparse.Namespace) -> None:
    """Do what was asked for. DeployError."""
    if asked.stage not in known_stages():
        raise DeployError(
            f"There is no stage {asked.stage}: .chalice/config.json has "
            f"{', '.join(known_stages())}."
        )
    cloud = Cloud(asked.stage)
    if not cloud.session.region_name:
        raise DeployError("No AWS region: set AWS_DEFAULT_REGION.")
    with in_one_line():
        if asked.what in ("all", "api", "workers"):
            deploy(cloud, asked)
        elif asked.what == "teardown":
            tear_down(cloud, asked)
        elif asked.dry_run:
            raise DeployError(f"{asked.what} has no dry run.")
        elif asked.what == "unlock":
            Records(cloud).unlock()
        elif asked.what == "key":
            make_key(cloud)
        else:
            with Records(cloud).locked():
                record = go_back(cloud)
            show(cloud, record)


def main() -> int:
    """Run; 1 and one line for each reason where something is in the way."""
    try:
        act(arguments().parse_args())
    except (DeployError, StartError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; run it again to go on.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
