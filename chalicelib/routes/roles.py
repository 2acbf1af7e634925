"""Roles: who may use which endpoint. Every endpoint has its line here."""

from typing import Final

from chalicelib.services.access import Role

ROLES: Final[dict[tuple[str, str], Role]] = {
    ("GET", "/health"): "visitor",
    ("GET", "/openapi.json"): "visitor",
    ("GET", "/games"): "visitor",
    ("GET", "/models"): "visitor",
    ("GET", "/players"): "visitor",
    ("GET", "/suites"): "visitor",
    ("GET", "/suites/{suite_id}"): "visitor",
    ("GET", "/suites/{suite_id}/tasks"): "visitor",
    ("GET", "/tasks/{task_id}"): "visitor",
    ("POST", "/quotes"): "viewer",
    ("POST", "/evaluations"): "submitter",
    ("GET", "/evaluations"): "visitor",
    ("GET", "/evaluations/{evaluation_id}"): "visitor",
    ("POST", "/evaluations/{evaluation_id}/pause"): "submitter",
    ("POST", "/evaluations/{evaluation_id}/resume"): "submitter",
    ("POST", "/evaluations/{evaluation_id}/cancel"): "submitter",
    ("POST", "/evaluations/{evaluation_id}/publish"): "submitter",
    ("POST", "/evaluations/{evaluation_id}/retry"): "submitter",
    ("POST", "/evaluations/{evaluation_id}/entries"): "submitter",
    ("GET", "/evaluations/{evaluation_id}/episodes"): "visitor",
    ("GET", "/evaluations/{evaluation_id}/results"): "visitor",
    ("POST", "/episodes"): "visitor",
    ("POST", "/episodes/{episode_id}/moves"): "visitor",
    ("GET", "/episodes/{episode_id}"): "visitor",
    ("GET", "/episodes/{episode_id}/events"): "visitor",
    ("GET", "/episodes/{episode_id}/transcript"): "visitor",
    ("GET", "/episodes/{episode_id}/calls"): "viewer",
    ("GET", "/leaderboards"): "visitor",
    ("GET", "/leaderboards/{board_id}"): "visitor",
    ("GET", "/live"): "visitor",
    ("POST", "/tickets"): "viewer",
    ("GET", "/kill-switch"): "visitor",
    ("POST", "/kill-switch"): "admin",
    ("GET", "/me"): "visitor",
    ("GET", "/keys"): "admin",
    ("POST", "/keys"): "admin",
    ("DELETE", "/keys/{key_id}"): "admin",
}


def role_of(method: str, path: str) -> Role:
    """The least role that may use an endpoint. KeyError when it has no line here."""
    return ROLES[method, path]
