"""Inside the sandbox: import the handler from the zip alone, call it, print its answer.

Run with -I -S, so that nothing of this machine's site-packages can be imported.
"""

import importlib
import json
import os
import sys
from typing import Any


class Context:
    """What Lambda hands to a function besides its event."""

    aws_request_id = "d3b07384-d9a0-4c9b-8f0b-1a2b3c4d5e6f"
    memory_limit_in_mb = 512

    def __init__(self, name: str) -> None:
        self.function_name = name
        self.invoked_function_arn = (
            f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
        )

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def lead_sockets_to(address: str) -> None:
    """The network of the sandbox: API Gateway's domain is the server's.

    Clients of sockets name their address, so that AWS_ENDPOINT_URL does not lead them.
    """
    from botocore.httpsession import URLLib3Session

    send = URLLib3Session.send

    def led(self: Any, request: Any) -> Any:
        if ".execute-api." in request.url:
            request.url = f"{address}/@connections/{request.url.rpartition('/')[2]}"
        return send(self, request)

    URLLib3Session.send = led


def main() -> None:
    task, runtime, handler, address = sys.argv[1:]
    sys.path[:0] = [task, runtime]
    os.chdir(task)
    lead_sockets_to(address)
    module, _, name = handler.partition(".")
    function = getattr(importlib.import_module(module), name)
    event = json.load(sys.stdin)
    said = sys.stdout
    sys.stdout = sys.stderr  # what the function prints is its log
    answer = function(event, Context(os.environ["AWS_LAMBDA_FUNCTION_NAME"]))
    print(json.dumps(answer), file=said)


if __name__ == "__main__":
    main()
