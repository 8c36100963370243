"""Vendor data: what the operator tells every guest (nova/api/metadata/vendordata_json.py, vendordata_dynamic.py)."""

from __future__ import annotations

import http.client
import json
import logging
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from tuinova.core.errors import NovaError
from tuinova.core.guest_facts import GuestFacts

LOG = logging.getLogger(__name__)
STATIC, DYNAMIC = "StaticJSON", "DynamicJSON"
_LARGEST_ANSWER = 1 << 20


class VendorDataFailed(NovaError):
    """A service of `vendordata_dynamic_targets` failed, and the configuration says that this is fatal."""

    code = 500
    msg_fmt = "Error from dynamic vendordata service {name}: {reason}"


@dataclass(frozen=True, slots=True)
class VendorOptions:
    """Group `[api]`, by Nova's names without `vendordata_`; times in seconds."""

    providers: Sequence[str] = (STATIC,)
    jsonfile_path: str | None = None
    dynamic_targets: Sequence[str] = ()
    dynamic_ssl_certfile: str | None = None
    dynamic_connect_timeout: int = 5
    dynamic_read_timeout: int = 5
    dynamic_failure_fatal: bool = False


class VendorData:
    """Reads the operator's file when it has changed, and asks his services anew each time."""

    def __init__(self, options: VendorOptions | None = None) -> None:
        self._options = options or VendorOptions()
        self._lock = Lock()
        self._read: tuple[tuple[int, int], Any] | None = None

    def static(self) -> Any:
        """What `vendordata_jsonfile_path` holds; a file that can't be read counts as empty, with a line in the log."""
        path = self._options.jsonfile_path
        if not path or STATIC not in self._options.providers:
            return {}
        with self._lock:
            try:
                found = Path(path).stat()
                stamp = (found.st_mtime_ns, found.st_size)
                if self._read is None or self._read[0] != stamp:
                    self._read = stamp, json.loads(Path(path).read_bytes())
            except (OSError, ValueError, RecursionError) as error:
                LOG.warning("the file of vendordata_jsonfile_path can't be read: %s", error)
                return {}
            return self._read[1]

    def version_2(self, facts: GuestFacts) -> dict[str, Any]:
        """`vendor_data2.json`: the file as `static`, and what each service says under its name."""
        document: dict[str, Any] = {}
        if STATIC in self._options.providers and (static := self.static()):
            document["static"] = static
        if DYNAMIC in self._options.providers:
            for name, url in self._targets():
                if name in document:
                    LOG.warning("vendor data has an entry named %s already: %s is not asked", name, url)
                else:
                    document[name] = self._ask(name, url, facts)
        return document

    def _targets(self) -> list[tuple[str, str]]:
        pairs = [target.partition("@") for target in self._options.dynamic_targets]
        for name, sign, url in pairs:
            if not sign:
                LOG.warning("the vendor data target %s has no name (name@url): it is not asked", name or url)
        return [(name, url) for name, sign, url in pairs if sign]

    def _ask(self, name: str, url: str, facts: GuestFacts) -> Any:
        body = {
            "project-id": facts.project_id,
            "instance-id": facts.uuid,
            "image-id": facts.image_ref,
            "user-data": facts.user_data,
            "hostname": facts.hostname,
            "metadata": dict(facts.metadata),
            "boot-roles": facts.boot_roles,
        }
        try:
            return self._post(url, json.dumps(body).encode())
        except (OSError, ValueError, http.client.HTTPException, RecursionError) as error:
            LOG.warning("Error from dynamic vendordata service %s at %s: %s", name, url, error)
            if self._options.dynamic_failure_fatal:
                raise VendorDataFailed(name=name, reason=error) from error
            return {}

    def _post(self, url: str, body: bytes) -> Any:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url} is no address of an HTTP service")
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            trust = ssl.create_default_context(cafile=self._options.dynamic_ssl_certfile or None)
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=trust)
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port)
        connection.timeout = self._options.dynamic_connect_timeout
        try:
            connection.connect()
            connection.sock.settimeout(self._options.dynamic_read_timeout)
            connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, _HEADERS)
            answer = connection.getresponse()
            data = self._read_all(answer)
        finally:
            connection.close()
        if answer.status >= 300:
            raise ValueError(f"it answered {answer.status}")
        return json.loads(data) if data else {}

    def _read_all(self, answer: http.client.HTTPResponse) -> bytes:
        """The whole answer, within the time and the size that are granted."""
        data, deadline = bytearray(), time.monotonic() + self._options.dynamic_read_timeout
        while chunk := answer.read1(65536):
            data += chunk
            if len(data) > _LARGEST_ANSWER:
                raise ValueError("its answer is too large")
            if time.monotonic() > deadline:
                raise TimeoutError("it takes too long to answer")
        return bytes(data)


_HEADERS: Mapping[str, str] = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "User-Agent": "openstack-nova-vendordata",
}
