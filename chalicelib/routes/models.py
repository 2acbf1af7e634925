"""Models on offer, and the kill switch that stops all calls to them."""

from typing import Annotated, Any

from pydantic import Field

from chalicelib.records import SWITCH
from chalicelib.routes import shapes
from chalicelib.routes.bodies import Body
from chalicelib.routes.endpoints import Request, Routes
from chalicelib.wiring import tilts

Json = dict[str, Any]
routes = Routes(__name__)


class SwitchBody(Body):
    """Whether to stop all calls to models, and why."""

    stopped: bool
    reason: Annotated[str, Field(max_length=200)] = ""


@routes.get("/models", shapes.Models)
def list_models(request: Request) -> Json:
    """All models: whether each can be used here, why not, abilities and price."""
    # What only this page needs is no part of the cost of starting.
    from chalicelib.models.abilities import ABILITIES
    from chalicelib.players.prompts import find_prompt, prompt_versions

    offers = tilts().offers
    return {
        "items": [
            {
                "id": row.id,
                "provider": row.provider,
                "usable": offers.refusal(row) is None,
                "reason": offers.refusal(row),
                "context": row.context,
                "output_tokens": row.output_limit,
                "efforts": list(row.efforts),
                "default_effort": row.default_effort,
                "has_temperature": ABILITIES[row.provider].has_temperature,
                "has_caching": ABILITIES[row.provider].has_caching,
                "has_batch": ABILITIES[row.provider].has_batch,
                "prices": [price.to_json() for price in row.prices] or None,
                "price_version": row.price_version,
                "source": row.source,
                "as_of": str(row.as_of) if row.as_of else None,
                "shutdown": str(row.shutdown) if row.shutdown else None,
            }
            for row in offers.rows()
        ],
        "prompts": {name: find_prompt(name).about for name in prompt_versions()},
    }


@routes.get("/kill-switch", shapes.Switch)
def get_switch(request: Request) -> Json:
    """Whether all calls to models are stopped."""
    return tilts().store.document(*SWITCH) or {"stopped": False, "reason": ""}


@routes.post("/kill-switch", shapes.Switch, SwitchBody)
def set_switch(request: Request) -> Json:
    """Stop all calls to models within five seconds, or let them go on."""
    body: SwitchBody = request.body
    to = {"stopped": body.stopped, "reason": body.reason}
    store = tilts().store
    while not store.change_document(*SWITCH, store.document(*SWITCH), to):
        continue
    return to
