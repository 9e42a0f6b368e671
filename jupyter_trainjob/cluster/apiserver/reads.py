"""The reading verbs: get, list and watch. Bytes go from the store to the answer as they are.

Only a Table (what ``kubectl get`` asks for) parses objects, to print their columns.
"""

from __future__ import annotations

import base64
import json

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.apiserver import bodies, selectors, status, tables
from jupyter_trainjob.cluster.apiserver.bodies import flag, integer
from jupyter_trainjob.cluster.apiserver.paths import Target
from jupyter_trainjob.cluster.apiserver.responses import Body, Stream, dumps, listed
from jupyter_trainjob.cluster.apiserver.watches import Events, Watched
from jupyter_trainjob.cluster.store import Compacted, Key, Page, Store
from jupyter_trainjob.kube.transport import Request

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You must start a new list "
    "without the continue parameter."
)


class Reads:
    """Answers to GET of objects and collections."""

    def __init__(self, store: Store, *, bookmark_seconds: float) -> None:
        self._store = store
        self._bookmark_seconds = bookmark_seconds

    def get(self, request: Request, target: Target) -> Body:
        """Answer one object."""
        found = self._store.get(target.resource.qualified, target.key)
        if found is None:
            raise status.not_found(target.resource, target.name or "")
        version, value = found
        if tables.wanted(request.accept):
            include = request.query.get("includeObject", "Metadata")
            return Body(dumps(tables.table(target.resource, [json.loads(value)], str(version), include=include)))
        return Body(value)

    def list(self, request: Request, target: Target) -> Body:
        """Answer a collection, or the page of it that `limit` and `continue` ask for."""
        query = request.query
        limit = integer(query, "limit") or 0
        at, after = _position(query.get("continue", ""))
        if at is None and query.get("resourceVersionMatch") == "Exact":
            at = integer(query, "resourceVersion")
        wanted = selectors.predicate(
            target.resource, labels=query.get("labelSelector", ""), fields=query.get("fieldSelector", "")
        )
        try:
            page = self._store.page(
                target.resource.qualified,
                namespace=target.namespace,
                wanted=wanted,
                limit=limit,
                after=after,
                at=at,
            )
        except Compacted:
            raise status.expired(_TOO_OLD) from None
        metadata = _list_metadata(page, counted=wanted is None)
        if tables.wanted(request.accept):
            items = [json.loads(value) for value in page.values]
            include = query.get("includeObject", "Metadata")
            table = tables.table(target.resource, items, str(page.version), include=include)
            return Body(dumps({**table, "metadata": metadata}))
        return listed(target.resource, metadata, page.values)

    def watch(self, request: Request, target: Target) -> Stream:
        """Answer the changes of a collection, from a version on, as they happen."""
        query = request.query
        if flag(query, "sendInitialEvents"):
            cause = status.Cause(
                "sendInitialEvents",
                "FieldValueForbidden",
                "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
            )
            raise status.failure(
                422, "Invalid", f"ListOptions.meta.k8s.io is invalid: {cause.message}", {"causes": [cause._asdict()]}
            )
        wanted = selectors.predicate(
            target.resource, labels=query.get("labelSelector", ""), fields=query.get("fieldSelector", "")
        )
        version = query.get("resourceVersion", "")
        if not version.isdigit() and version:
            raise status.bad_request(f"invalid resource version {version!r}: must be a whole number")
        watched = Watched(
            target.resource,
            target.namespace,
            wanted,
            since=int(version) if version not in {"", "0"} else None,
            bookmarks=flag(query, "allowWatchBookmarks"),
            timeout=integer(query, "timeoutSeconds"),
            table=query.get("includeObject", "Metadata") if tables.wanted(request.accept) else None,
        )
        return Stream(Events(self._store, watched, bookmark_seconds=self._bookmark_seconds))


def _list_metadata(page: Page, *, counted: bool) -> Object:
    metadata: Object = {"resourceVersion": str(page.version)}
    if page.next is not None:
        metadata["continue"] = base64.urlsafe_b64encode(dumps([page.version, *page.next])).decode()
        if counted:
            metadata["remainingItemCount"] = page.remaining
    return metadata


def _position(token: str) -> tuple[int | None, Key | None]:
    if not token:
        return None, None
    try:
        version, namespace, name = bodies.loads(base64.urlsafe_b64decode(token))
        return int(version), (str(namespace), str(name))
    except ValueError:
        raise status.bad_request("continue key is not valid") from None
