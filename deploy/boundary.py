"""The stage's permissions boundary: what no function's role may ever go beyond."""

from typing import Any

from botocore.exceptions import ClientError

from deploy.cloud import Cloud, code_of
from deploy.commands import say


def bound_roles(cloud: Cloud, record: dict[str, Any]) -> None:
    """Put every role that a record names under the boundary that Terraform makes.

    Chalice knows no boundaries and leaves those alone that it finds.
    """
    account = cloud.identity["account"]
    partition = cloud.session.get_partition_for_region(cloud.session.region_name)
    boundary = f"arn:{partition}:iam::{account}:policy/{cloud.prefix}-boundary"
    client = cloud.client("iam")
    try:
        client.get_policy(PolicyArn=boundary)
    except ClientError as error:
        if code_of(error) != "NoSuchEntity":
            raise
        say(f"Note: there is no boundary {boundary}; roles keep to their policies.")
        return
    say("Putting roles under the boundary ...")
    for one in record["resources"]:
        if one["resource_type"] == "iam_role":
            client.put_role_permissions_boundary(
                RoleName=one["role_name"], PermissionsBoundary=boundary
            )
