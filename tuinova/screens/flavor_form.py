"""A flavor as a form has it: what was typed, what is wrong with it, and which calls carry an edit out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuinova.i18n import N_, _

Json = dict[str, Any]
# field of the form: (Nova's body key, label, least value); a flavor's sizes.
SIZES: dict[str, tuple[str, str, int]] = {
    "vcpus": ("vcpus", N_("vCPUs"), 1),
    "ram": ("ram", N_("RAM (MB)"), 1),
    "disk": ("disk", N_("Root Disk (GB)"), 0),
    "ephemeral": ("OS-FLV-EXT-DATA:ephemeral", N_("Ephemeral Disk (GB)"), 0),
    "swap": ("swap", N_("Swap Disk (MB)"), 0),
}
LARGEST = 2**31 - 1
_SPEC_KEY = re.compile(r"[\w\-:. ]{1,255}", re.ASCII)
DEFAULTS: Json = {
    "name": "",
    "id": "",
    "vcpus": 1,
    "ram": 512,
    "disk": 1,
    "OS-FLV-EXT-DATA:ephemeral": 0,
    "swap": 0,
    "rxtx_factor": 1.0,
    "os-flavor-access:is_public": True,
    "description": None,
    "extra_specs": {},
}
PUBLIC = "os-flavor-access:is_public"


@dataclass(slots=True)
class FlavorForm:
    """The typed texts by field name, the extra specs, and the projects with access (ids)."""

    texts: dict[str, str]
    public: bool
    specs: dict[str, str] = field(default_factory=dict)
    access: frozenset[str] = frozenset()

    def problems(self) -> dict[str, str]:
        """What is wrong, by field; empty when the service can be asked."""
        found: dict[str, str] = {}
        if not self.texts["name"].strip():
            found["name"] = _("A name is needed.")
        for name, (_key, _label, least) in SIZES.items():
            text = self.texts[name].strip()
            if not text.isdecimal() or not least <= int(text) <= LARGEST:
                found[name] = _("A whole number from {least} to {largest} is needed.").format(
                    least=least, largest=LARGEST
                )
        try:
            if not 0 < float(self.texts["rxtx_factor"]) <= 3.40282e38:
                raise ValueError
        except ValueError:
            found["rxtx_factor"] = _("A number above 0 is needed.")
        bad = [key for key in self.specs if not _SPEC_KEY.fullmatch(key)]
        if bad:
            # Checked before anything is sent: specs follow the sizes, and a refusal must leave both as they were.
            found["specs"] = _("Not a key of an extra spec: {key}").format(key=bad[0])
        return found

    def body(self) -> Json:
        """Nova's body of a create."""
        body: Json = {
            "name": self.texts["name"].strip(),
            "id": self.texts["id"].strip() or None,
            "rxtx_factor": float(self.texts["rxtx_factor"]),
            PUBLIC: self.public,
        }
        body |= {key: int(self.texts[name]) for name, (key, _label, _least) in SIZES.items()}
        if description := self.texts["description"].strip():
            body["description"] = description
        return body


def form_of(flavor: Mapping[str, Any]) -> FlavorForm:
    """The form that shows a flavor."""
    texts = {name: str(int(flavor.get(key) or 0)) for name, (key, _label, _least) in SIZES.items()}
    texts |= {
        "name": str(flavor.get("name") or ""),
        "id": str(flavor.get("id") or ""),
        "rxtx_factor": str(flavor.get("rxtx_factor") or 1.0),
        "description": str(flavor.get("description") or ""),
    }
    return FlavorForm(texts, bool(flavor.get(PUBLIC, True)), dict(flavor.get("extra_specs") or {}))


def is_replacement(flavor: Mapping[str, Any], form: FlavorForm) -> bool:
    """Whether the edit touches what Nova never changes: then the flavor is replaced under the same id."""
    if form.problems():
        return False
    body = form.body()
    return any(
        body[key] != (flavor.get(key) or 0 if key != PUBLIC else flavor.get(key))
        for key in ("name", "rxtx_factor", PUBLIC, *(key for key, _label, _least in SIZES.values()))
    )


def save(client: Any, flavor: Mapping[str, Any] | None, before: frozenset[str], form: FlavorForm) -> None:
    """Carry the form out: create, or replace and set what differs. The first refusal stops and is raised."""
    if flavor is None:
        ident = client.flavors.create(form.body())["id"]
        old_specs: Mapping[str, str] = {}
    else:
        ident = flavor["id"]
        old_specs = flavor.get("extra_specs") or {}
        if is_replacement(flavor, form):
            client.flavors.replace(ident, {**form.body(), "id": ident})
        elif form.texts["description"].strip() != str(flavor.get("description") or ""):
            client.flavors.describe(ident, form.texts["description"].strip() or None)
    changed = {key: value for key, value in form.specs.items() if old_specs.get(key) != value}
    if changed:
        client.flavors.set_extra_specs(ident, changed)
    for key in old_specs:
        if key not in form.specs:
            client.flavors.delete_extra_spec(ident, key)
    if not form.public:
        _each(form.access - before, lambda project: client.flavors.add_access(ident, project))
        _each(before - form.access, lambda project: client.flavors.remove_access(ident, project))


def _each(projects: frozenset[str], call: Callable[[str], object]) -> None:
    for project in sorted(projects):
        call(project)
