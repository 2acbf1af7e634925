"""Models on offer: all there are, whether each can be used here, and if not why."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chalicelib.errors import NotFoundError, StartError
from chalicelib.interfaces import Clock
from chalicelib.models.catalogue import (
    ModelRow,
    all_rows,
    is_shut_down,
)
from chalicelib.models.own import read_own_rows


@dataclass(frozen=True, slots=True)
class Service:
    """How a provider is reached: its key, and its address if not the usual one.

    `key_name` is where its key is set, if not in the usual variable.
    """

    key: str | None = field(repr=False)
    base_url: str | None
    key_name: str = ""


class KeptServices(Mapping[str, Service]):
    """How providers are reached where keys are kept elsewhere, and may change."""

    def __init__(
        self,
        providers: Sequence[str],
        read: Callable[[str], str | None],
        name: Callable[[str], str],
        base_urls: Mapping[str, str | None],
    ) -> None:
        self._providers = providers
        self._read = read
        self._name = name
        self._base_urls = base_urls

    def __getitem__(self, provider: str) -> Service:
        if provider not in self._providers:
            raise KeyError(provider)
        secret = f"{provider}-api-key"
        return Service(
            self._read(secret),
            self._base_urls.get(provider) or None,
            f"the parameter {self._name(secret)}",
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._providers)

    def __len__(self) -> int:
        return len(self._providers)


class Offers:
    """The models of the data file and those of the owner's own server."""

    def __init__(
        self,
        clock: Clock,
        services: Mapping[str, Service],
        compatible_models: str,
        more_rows: Sequence[ModelRow] = (),
    ) -> None:
        self._clock = clock
        self._services = services
        try:
            own = read_own_rows(compatible_models)
        except ValueError as error:
            raise StartError(str(error)) from error
        self._rows = {row.id: row for row in (*all_rows(), *own, *more_rows)}

    def rows(self) -> list[ModelRow]:
        """All models, usable or not."""
        return list(self._rows.values())

    def row(self, model_id: str) -> ModelRow:
        """NotFoundError when there is none."""
        if model_id not in self._rows:
            raise NotFoundError(
                f"There is no model {model_id!r}; GET /v1/models lists them."
            )
        return self._rows[model_id]

    def service(self, provider: str) -> Service:
        """How a provider is reached."""
        return self._services.get(provider) or Service(None, None)

    def refusal(self, row: ModelRow) -> str | None:
        """Why a model cannot be used here; None when it can."""
        service = self.service(row.provider)
        if row.provider == "compatible" and service.base_url is None:
            return "Set COMPATIBLE_BASE_URL to the address of your server."
        if row.provider != "compatible" and service.key is None:
            name = service.key_name or f"{row.provider.upper()}_API_KEY"
            return f"Set {name} to a key of {row.provider}."
        today = datetime.fromtimestamp(self._clock.now(), UTC).date()
        if is_shut_down(row, today):
            return f"Its provider shut it down on {row.shutdown}."
        if not row.prices:
            return f"It has no price here: {row.reason}."
        return None
