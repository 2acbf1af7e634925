"""The errors of the services, as a scenario or a limit gives them."""

from collections.abc import Mapping
from email.utils import formatdate
from time import time_ns
from typing import Final

from tests.modelserver.scenarios import DATE, Scenario
from tests.modelserver.wire import RefusedError

OPENAI: Final[Mapping[int, tuple[str, str | None, str]]] = {
    307: ("redirect", None, "Temporary redirect."),
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: (
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    408: ("timeout", None, "Request timed out."),
    409: ("invalid_request_error", "conflict", "The resource is being changed."),
    413: ("invalid_request_error", "request_too_large", "Request body too large."),
    422: ("invalid_request_error", None, "The request cannot be processed."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    500: ("server_error", None, "The server had an error while processing this."),
    503: ("service_unavailable", None, "The engine is overloaded, try again later."),
    529: ("overloaded", None, "Overloaded"),
}
ANTHROPIC: Final[Mapping[int, tuple[str, str]]] = {
    307: ("redirect", "Temporary redirect."),
    400: ("invalid_request_error", "The request is not valid."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low."),
    403: ("permission_error", "Your API key may not use this resource."),
    404: ("not_found_error", "model: not found"),
    408: ("timeout_error", "Request timed out."),
    409: ("conflict_error", "The resource is being changed."),
    413: ("request_too_large", "Request exceeds the maximum allowed size."),
    422: ("invalid_request_error", "The request cannot be processed."),
    429: ("rate_limit_error", "This request would exceed your rate limit."),
    500: ("api_error", "Internal server error"),
    503: ("api_error", "Service unavailable"),
    529: ("overloaded_error", "Overloaded"),
}
DATE_SECONDS: Final = 5


def refuse_with(
    api: str, status: int, headers: Mapping[str, str] | None = None
) -> RefusedError:
    """The error of a status, in the words of the service."""
    if api == "messages":
        kind, message = ANTHROPIC[status]
        return RefusedError(status, message, kind, headers=headers)
    kind, code, message = OPENAI[status]
    return RefusedError(status, message, kind, None, code, headers)


def refuse_as(scenario: Scenario, api: str, elsewhere: str) -> RefusedError:
    """The error of a scenario; a redirect leads to the same path elsewhere."""
    headers = dict(scenario.headers or {})
    if headers.get("Retry-After") == DATE:
        later = time_ns() / 1e9 + DATE_SECONDS
        headers["Retry-After"] = formatdate(later, usegmt=True)
    if scenario.name == "redirect":
        headers["Location"] = elsewhere
    if scenario.name == "insufficient-quota":
        return refuse_for_quota(api)
    return refuse_with(api, scenario.status or 500, headers)


def refuse_for_quota(api: str) -> RefusedError:
    """There is no credit left."""
    if api == "messages":
        return refuse_with(api, 402)
    return RefusedError(
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        None,
        "insufficient_quota",
    )


def refuse_model(api: str, model: str) -> RefusedError:
    """There is no such model, or no longer."""
    if api == "messages":
        return RefusedError(404, f"model: {model}", "not_found_error")
    return RefusedError(
        404,
        f"The model `{model}` does not exist or you do not have access to it.",
        code="model_not_found",
    )
