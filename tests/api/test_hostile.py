"""Whatever a body or a query holds, the answer is never an unexpected error."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuinova.api.app import FACES
from tuinova.api.schemas.servers import ACTIONS

EXAMPLES = int(os.environ.get("TUINOVA_TEST_EXAMPLES", "4"))

# Values that stand near an edge of some rule.
EDGES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**31, -(2**63), 10**40, 1e308, -0.0, 1.5]),
    st.sampled_from(["", " ", "\x00", "\x1b[2J", "名", "a" * 300, "1", "-1", "9" * 60, "None", "true", "../..", "%00"]),
    st.text(max_size=8),
)
WRITES = [
    (operation.method, prefix + operation.path, operation.schema)
    for prefix, _face, operations in FACES
    for operation in operations
    if operation.schema is not None or operation.json_body
]
WRITES += [("POST", "/v2.1/servers/{id}/action", schema) for schema in ACTIONS.values()]
READS = [
    prefix + operation.path
    for prefix, _face, operations in FACES
    for operation in operations
    if operation.method == "GET"
]
PARAMETERS = (
    *("limit", "marker", "sort_key", "sort_dir", "name", "status", "all_tenants", "all_projects", "changes-since"),
    *("changes-before", "deleted", "locked", "power_state", "progress", "task_state", "is_public", "minRam", "minDisk"),
    *("id", "tag", "sort", "visibility", "protected", "os_hidden", "user_id", "tenant_id", "offset", "with_servers"),
    *("all_boots", "hypervisor_hostname_pattern", "host", "binary", "ip", "ip6", "flavor", "image", "uuid"),
    *("hidden", "instance_uuid", "migration_type", "source_compute", "project_id"),
)


def _near(schema: Any) -> st.SearchStrategy[Any]:
    """Data of about the schema's shape: right keys, values right and wrong."""
    if not isinstance(schema, dict):
        return EDGES
    if "properties" in schema:
        named = {key: _near(rule) for key, rule in schema["properties"].items()}
        shaped = st.fixed_dictionaries(
            {key: named[key] for key in schema.get("required", ())},
            optional={key: rule for key, rule in named.items() if key not in schema.get("required", ())},
        )
        return st.one_of(shaped, shaped, shaped, EDGES, st.dictionaries(st.text(max_size=4), EDGES, max_size=2))
    if "patternProperties" in schema:
        return st.one_of(st.dictionaries(st.text(max_size=4), EDGES, max_size=3), EDGES)
    if "items" in schema:
        return st.one_of(st.lists(_near(schema["items"]), max_size=2), EDGES)
    if "enum" in schema:
        return st.one_of(st.sampled_from(list(schema["enum"])), EDGES)
    return EDGES


def _filled(path: str, running: Any) -> str:
    values = {"{id}": running.hostile_id, "{project}": "demo", "{key}": "k", "{name}": "k", "{request_id}": "req-1"}
    values |= {"{tag}": "t", "{number}": "1", "{port}": "p", "{volume}": "v"}
    if "/images/" in path:
        values["{id}"] = running.image["id"]
    if "/flavors/" in path:
        values["{id}"] = "d4"
    for name, value in values.items():
        path = path.replace(name, value)
    return path


@pytest.fixture(scope="module")
def target(running: Any) -> Any:
    with running.client("demo", "demo") as client:
        running.hostile_id = running.boot(client, name="target")["id"]
    return running


@pytest.mark.parametrize(("method", "path", "schema"), WRITES, ids=[f"{method} {path}" for method, path, _ in WRITES])
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.large_base_example],
)
@given(data=st.data())
def test_no_body_is_unexpected(target: Any, method: str, path: str, schema: Any, data: st.DataObject) -> None:
    body = data.draw(_near(schema) if schema is not None else st.dictionaries(st.text(max_size=12), EDGES, max_size=2))
    raw = json.dumps(body).encode()
    answer = target.raw(method, _filled(path, target), raw, {"Content-Type": "application/json"})
    assert answer.status != 500, (body, answer.data)


@pytest.mark.parametrize("path", READS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(query=st.lists(st.tuples(st.sampled_from(PARAMETERS), EDGES), max_size=3))
def test_no_query_is_unexpected(target: Any, path: str, query: list[tuple[str, Any]]) -> None:
    text = "&".join(f"{name}={quote(str(value), errors='replace')}" for name, value in query)
    answer = target.raw("GET", f"{_filled(path, target)}?{text}")
    assert answer.status != 500, (query, answer.data)
