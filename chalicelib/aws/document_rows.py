"""Documents: suites, summaries, editions, keys and small shared state."""

from typing import Any

from chalicelib.aws.base import ABSENT, Rows
from chalicelib.aws.texts import digest_value

Json = dict[str, Any]


class DocumentRows(Rows):
    """The part of the store that knows documents."""

    def document(self, kind: str, key: str) -> Json | None:
        found = self.catalogue_items.get(kind, key)
        return None if found is None else self.texts.read(found)

    def put_document(self, kind: str, key: str, body: Json) -> Json:
        if self._put_document(kind, key, body, ABSENT):
            return body
        return self.document(kind, key) or body

    def change_document(self, kind: str, key: str, was: Json | None, to: Json) -> bool:
        if was is None:
            return self._put_document(kind, key, to, ABSENT)
        return self._put_document(kind, key, to, "digest = :was", was=digest_value(was))

    def _put_document(
        self, kind: str, key: str, body: Json, condition: str, **values: Any
    ) -> bool:
        packed = self.texts.pack_changing("documents", body)
        item = {"pk": kind, "sk": key, **packed}
        return self.catalogue_items.put(item, condition, **values)
