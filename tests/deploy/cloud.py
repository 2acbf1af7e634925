"""A cloud on this machine: a moto server that also runs the code that was deployed.

`python -m tests.deploy.cloud FOLDER` prints its address and serves until its input
ends. What moto lacks for Chalice is put in here, in this process alone:

- API Gateway imports Swagger 2.0, which is what Chalice writes;
- API Gateway v2 has deployments;
- Lambda runs the zip's handler in a sandbox without docker;
- SQS wakes functions in the background, as AWS does, not inside of SendMessage;
- frames that are sent to sockets are written to FOLDER/frames.ndjson.
"""

import json
import sys
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from moto.apigateway.models import APIGatewayBackend
from moto.apigatewaymanagementapi.models import ApiGatewayManagementApiBackend
from moto.apigatewayv2 import urls as socket_urls
from moto.apigatewayv2.responses import ApiGatewayV2Response
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.server import ThreadedMotoServer

from tests.deploy.sandbox import Sandbox

Json = dict[str, Any]


def teach(owner: type, method: Callable[..., Any]) -> None:
    """Put a method into a class of moto's, in place of one of that name."""
    setattr(owner, method.__name__, method)


def as_openapi(document: Json) -> Json:
    """Chalice's Swagger 2.0 in the words that moto's importer knows."""
    document.pop("swagger", None)
    document["openapi"] = "3.0.1"
    document["info"].setdefault("description", "")
    for methods in document["paths"].values():
        for method in methods.values():
            integration = method.get("x-amazon-apigateway-integration", {})
            integration.setdefault("uri", "")
            integration.setdefault("httpMethod", "POST")
    return document


def add_swagger() -> None:
    imported = APIGatewayBackend.import_rest_api
    put = APIGatewayBackend.put_rest_api

    def import_rest_api(self: Any, api_doc: Json, fail_on_warnings: bool) -> Any:
        return imported(self, as_openapi(api_doc), fail_on_warnings)

    def put_rest_api(
        self: Any, function_id: str, api_doc: Json, *rest: Any, **options: Any
    ) -> Any:
        return put(self, function_id, as_openapi(api_doc), *rest, **options)

    teach(APIGatewayBackend, import_rest_api)
    teach(APIGatewayBackend, put_rest_api)


def add_socket_deployments(folder: Path) -> None:
    path = "{0}/v2/apis/(?P<api_id>[^/]+)/deployments$"

    def create_deployment(self: Any) -> str:
        api = self.path.split("/")[-2]
        made = {"deploymentId": uuid.uuid4().hex[:10], "deploymentStatus": "DEPLOYED"}
        note(
            folder / "deployments.ndjson", {"api": api, **json.loads(self.body or "{}")}
        )
        return json.dumps(made)

    teach(ApiGatewayV2Response, create_deployment)
    socket_urls.url_paths[path] = ApiGatewayV2Response.dispatch


def add_sandbox(sandbox: Sandbox) -> None:
    def _invoke_lambda(self: Any, event: Any = None) -> tuple[str, bool, str]:
        code = self.code_bytes
        answer, failed, log = sandbox.run(
            code, self.handler, self.function_name, self.environment_vars, event
        )
        self.logs_backend.ensure_log_group(self.logs_group_name)
        self.save_logs(log)
        return answer, failed, log

    teach(LambdaFunction, _invoke_lambda)


def add_background_triggers(pool: ThreadPoolExecutor) -> None:
    wake = LambdaBackend.send_sqs_batch

    def send_sqs_batch(
        self: Any, function_arn: str, messages: Any, queue_arn: str
    ) -> bool:
        pool.submit(wake, self, function_arn, messages, queue_arn)
        return True

    teach(LambdaBackend, send_sqs_batch)


def add_frames(folder: Path) -> None:
    def post_to_connection(self: Any, data: bytes, connection_id: str) -> None:
        note(folder / "frames.ndjson", {"to": connection_id, "frame": json.loads(data)})

    teach(ApiGatewayManagementApiBackend, post_to_connection)


_noting = threading.Lock()


def note(path: Path, line: Json) -> None:
    """Append one line to a file of lines."""
    with _noting, path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def main() -> None:
    folder = Path(sys.argv[1])
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    add_swagger()
    add_socket_deployments(folder)
    add_frames(folder)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with ThreadPoolExecutor(2) as pool:
        add_sandbox(Sandbox(folder, address))
        add_background_triggers(pool)
        print(address, flush=True)
        sys.stdin.read()
        pool.shutdown(wait=False, cancel_futures=True)
    server.stop()


if __name__ == "__main__":
    main()
