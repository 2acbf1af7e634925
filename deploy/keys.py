"""The first access key of a stage: without one nobody may ask for anything."""

from pathlib import Path

from chalicelib.settings import Settings
from chalicelib.wiring import wire_cloud
from deploy.cloud import Cloud
from deploy.commands import say


def make_key(cloud: Cloud) -> None:
    """Make an admin's key in the stage's table and show it, this once. StartError."""
    settings = Settings(
        data=Path(),
        stage=cloud.stage,
        region=cloud.session.region_name,
        bucket=cloud.bucket,
        require_keys=True,
    )
    tilts = wire_cloud(settings)
    key, text = tilts.access.create("admin", "owner", "made at deployment")
    say(f"{text}\nRole {key.role}, team {key.team}. It is not shown again.")
