"""Taking a stage down: functions and APIs always, data only when told so."""

from typing import Any

from botocore.exceptions import ClientError

from deploy.adoption import find_all
from deploy.cloud import GONE, Cloud, code_of
from deploy.commands import CHALICE as CHALICE_COMMAND
from deploy.commands import ROOT, DeployError, run, say
from deploy.package import stage_source
from deploy.records import CHALICE, Records
from deploy.release import place_record, record_file

Json = dict[str, Any]


def confirm(stage: str, answer: str) -> None:
    """DeployError unless the stage's name was typed."""
    if answer.strip() != stage:
        raise DeployError("Nothing was taken down.")


def take_down(cloud: Cloud) -> None:
    """Delete what Chalice made, on record or not. DeployError. Can be repeated."""
    records = Records(cloud)
    before = records.read(CHALICE)
    record = find_all(cloud, before.content)
    if not record["resources"]:
        say(f"Nothing of {cloud.stage} is deployed.")
    else:
        source = ROOT / "build" / "source"
        stage_source(ROOT, source)
        place_record(source, cloud.stage, record)
        say("chalice delete ...")
        run([*CHALICE_COMMAND, "delete", "--stage", cloud.stage], source)
    if before.version:
        cloud.client("s3").delete_object(Bucket=cloud.bucket, Key=CHALICE)
        for folder in (ROOT, ROOT / "build" / "source"):
            record_file(folder, cloud.stage).unlink(missing_ok=True)


def forget_data(cloud: Cloud) -> None:
    """Delete tables, queues and the bucket with all that is in them, for good."""
    for name in cloud.tables:
        delete_table(cloud, name)
    for name in cloud.queues:
        delete_queue(cloud, name)
    delete_bucket(cloud)


def delete_table(cloud: Cloud, name: str) -> None:
    client = cloud.client("dynamodb")
    try:
        client.update_table(TableName=name, DeletionProtectionEnabled=False)
        client.delete_table(TableName=name)
    except ClientError as error:
        if code_of(error) not in GONE:
            raise
        return
    say(f"Deleted the table {name}.")


def delete_queue(cloud: Cloud, name: str) -> None:
    client = cloud.client("sqs")
    try:
        client.delete_queue(QueueUrl=client.get_queue_url(QueueName=name)["QueueUrl"])
    except ClientError as error:
        if "NonExistentQueue" not in code_of(error):
            raise
        return
    say(f"Deleted the queue {name}.")


def delete_bucket(cloud: Cloud) -> None:
    """Delete the bucket with every version of every object in it."""
    client = cloud.client("s3")
    paginator = client.get_paginator("list_object_versions")
    try:
        for page in paginator.paginate(Bucket=cloud.bucket):
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            names = [
                {"Key": one["Key"], "VersionId": one["VersionId"]} for one in found
            ]
            if names:
                client.delete_objects(Bucket=cloud.bucket, Delete={"Objects": names})
        client.delete_bucket(Bucket=cloud.bucket)
    except ClientError as error:
        if code_of(error) != "NoSuchBucket":
            raise
        return
    say(f"Deleted the bucket {cloud.bucket}.")
