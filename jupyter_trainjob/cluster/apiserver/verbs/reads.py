"""The reading verbs: get, list and watch. Stored bytes are sent unchanged.

Only Tables, which ``kubectl get`` requests, parse objects to print their columns.
"""

from __future__ import annotations

import base64
import json

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.apiserver import status_errors, tables
from jupyter_trainjob.cluster.apiserver.requests import request_bodies, request_options, selectors
from jupyter_trainjob.cluster.apiserver.requests.paths import Target
from jupyter_trainjob.cluster.apiserver.requests.request_bodies import bool_parameter, int_parameter
from jupyter_trainjob.cluster.apiserver.responses import Body, Stream, dump_json, list_response
from jupyter_trainjob.cluster.apiserver.verbs.watches import WatchEvents, WatchOptions
from jupyter_trainjob.cluster.store.object_store import Compacted, Key, Page, Store
from jupyter_trainjob.kube.transport import Request

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You must start a new list "
    "without the continue parameter."
)


class ReadHandler:
    """Handles GET of objects and collections."""

    def __init__(self, store: Store, *, bookmark_seconds: float) -> None:
        self._store = store
        self._bookmark_seconds = bookmark_seconds

    def get(self, request: Request, target: Target) -> Body:
        """Return one object."""
        self._check_version(request.query.get("resourceVersion", ""))
        stored = self._store.get(target.resource.qualified, target.key)
        if stored is None:
            raise status_errors.not_found(target.resource, target.name or "")
        version, value = stored
        if tables.is_requested(request.accept):
            include = request.query.get("includeObject", "Metadata")
            return Body(
                dump_json(tables.build_table(target.resource, [json.loads(value)], str(version), include=include))
            )
        return Body(value)

    def list(self, request: Request, target: Target) -> Body:
        """Return a collection, or the page of it that `limit` and `continue` select."""
        query = request.query
        request_options.check_list_options(query, watch=False)
        limit = max(int_parameter(query, "limit") or 0, 0)
        int_parameter(query, "timeoutSeconds")
        self._check_version(query.get("resourceVersion", ""))
        at, after = _parse_continue_token(query.get("continue", ""))
        if at is None and query.get("resourceVersionMatch") == "Exact":
            at = int_parameter(query, "resourceVersion")
        predicate = selectors.parse_selectors(
            target.resource, labels=query.get("labelSelector", ""), fields=query.get("fieldSelector", "")
        )
        try:
            page = self._store.page(
                target.resource.qualified,
                namespace=target.namespace,
                predicate=predicate,
                limit=limit,
                after=after,
                at=at,
            )
        except Compacted:
            raise status_errors.expired(_TOO_OLD) from None
        metadata = _list_metadata(page, exact=predicate is None)
        if tables.is_requested(request.accept):
            items = [json.loads(value) for value in page.values]
            include = query.get("includeObject", "Metadata")
            table = tables.build_table(target.resource, items, str(page.version), include=include)
            return Body(dump_json({**table, "metadata": metadata}))
        return list_response(target.resource, metadata, page.values)

    def _check_version(self, version: str) -> None:
        """Raise an error for a resourceVersion that is malformed or in the future."""
        if not version:
            return
        if not (version.isascii() and version.isdigit()):
            raise status_errors.invalid_version(version)
        if int(version) > self._store.version:
            raise status_errors.version_too_large(int(version), self._store.version)

    def watch(self, request: Request, target: Target) -> Stream:
        """Return the stream of a collection's changes, from a version on."""
        query = request.query
        request_options.check_list_options(query, watch=True)
        predicate = selectors.parse_selectors(
            target.resource, labels=query.get("labelSelector", ""), fields=query.get("fieldSelector", "")
        )
        version = query.get("resourceVersion", "")
        if version and not (version.isascii() and version.isdigit()):
            raise status_errors.invalid_version(version)
        options = WatchOptions(
            target.resource,
            target.namespace,
            predicate,
            since=int(version) if version not in {"", "0"} else None,
            bookmarks=bool_parameter(query, "allowWatchBookmarks"),
            timeout=int_parameter(query, "timeoutSeconds"),
            table=query.get("includeObject", "Metadata") if tables.is_requested(request.accept) else None,
        )
        return Stream(WatchEvents(self._store, options, bookmark_seconds=self._bookmark_seconds))


def _list_metadata(page: Page, *, exact: bool) -> KubeObject:
    metadata: KubeObject = {"resourceVersion": str(page.version)}
    if page.next is not None:
        metadata["continue"] = base64.urlsafe_b64encode(dump_json([page.version, *page.next])).decode()
        if exact:
            metadata["remainingItemCount"] = page.remaining
    return metadata


def _parse_continue_token(token: str) -> tuple[int | None, Key | None]:
    if not token:
        return None, None
    try:
        version, namespace, name = request_bodies.parse_json(base64.urlsafe_b64decode(token))
        return int(version), (str(namespace), str(name))
    except ValueError:
        raise status_errors.bad_request("continue key is not valid") from None
