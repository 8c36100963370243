"""What has been chosen so far, which of it is wrong, and the request that it makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tuinova.i18n import _
from tuinova.screens.edit import parse_properties
from tuinova.screens.launch.gauges import too_small
from tuinova.screens.launch.offers import Json, Offers, port_label
from tuinova.screens.launch.request import LaunchRequest, Named, Source, named

IMAGE, VOLUME, SNAPSHOT = "image", "volume", "snapshot"
KINDS = {IMAGE: "images", VOLUME: "volumes", SNAPSHOT: "snapshots"}
_DEFAULT_GROUP = "default"


class Problem(NamedTuple):
    """What is wrong, on which page, at which field."""

    step: str
    field: str
    text: str


@dataclass(slots=True)
class Draft:
    """The wizard's state; ids name what was picked."""

    name: str = ""
    count: str = "1"
    description: str = ""
    zone: str = ""
    kind: str = IMAGE
    sources: dict[str, str] = field(default_factory=dict)  # kind to id
    new_volume: bool = False
    volume_gb: str = ""
    delete_volume: bool = False
    flavor: str = ""
    networks: list[str] = field(default_factory=list)
    no_network: bool = False
    ports: list[str] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)
    key_name: str = ""
    config_drive: bool = True
    user_data: str = ""
    password: str = ""
    hostname: str = ""
    server_group: str = ""
    hints: str = ""
    properties: str = ""

    # what follows from it --------------------------------------------------------------------------------------------
    def number(self) -> int | None:
        """How many servers, None when that is no number."""
        try:
            count = int(self.count)
        except ValueError:
            return None
        return count if count >= 1 else None

    def source(self, offers: Offers) -> Json | None:
        """The picked source."""
        return offers.one(KINDS[self.kind], self.sources.get(self.kind, ""))

    @property
    def on_volume(self) -> bool:
        """Whether the root disk is a volume."""
        return self.kind != IMAGE or self.new_volume

    def image(self, offers: Offers) -> Json | None:
        """The image that a flavor must carry."""
        return self.source(offers) if self.kind == IMAGE else None

    def obstacle(self, flavor: Json, offers: Offers) -> str:
        """Why a flavor can't be taken."""
        return too_small(flavor, self.image(offers), on_volume=self.on_volume)

    def begin(self, offers: Offers) -> None:
        """What is picked before anybody picks: the first of everything that fits, the only network, the group."""
        for kind, name in KINDS.items():
            rows = getattr(offers, name)
            if kind not in self.sources and rows:
                self.sources[kind] = rows[0]["id"]
        self.fit(offers)
        if not self.networks and len(offers.networks) == 1 and not offers.networks[0].get("router:external"):
            self.networks = [offers.networks[0]["id"]]
        if not self.security_groups:
            self.security_groups = [one["id"] for one in offers.security_groups if one["name"] == _DEFAULT_GROUP][:1]

    def fit(self, offers: Offers) -> None:
        """Another flavor where the chosen one is too small for the source."""
        chosen = offers.one("flavors", self.flavor)
        if chosen is None or self.obstacle(chosen, offers):
            fitting = (one["id"] for one in offers.flavors if not self.obstacle(one, offers))
            self.flavor = next(fitting, "")

    # asking ----------------------------------------------------------------------------------------------------------
    def problems(self, offers: Offers) -> list[Problem]:
        """Everything that is wrong, in the order of the pages."""
        found = [*self._problems_of_details(), *self._problems_of_source(offers)]
        if offers.one("flavors", self.flavor) is None:
            found.append(Problem("flavor", "flavor", _("A flavor is needed.")))
        if self.no_network and self.ports:
            found.append(Problem("networks", "networks", _("A server with ports has networks.")))
        try:
            self.read_user_data()
        except OSError as error:
            text = _("Can't read the file: {reason}").format(reason=error.strerror)
            found.append(Problem("configuration", "user_data", text))
        for step, text in (("hints", self.hints), ("metadata", self.properties)):
            if problem := parse_properties(text)[1]:
                found.append(Problem(step, step, problem))
        return found

    def _problems_of_details(self) -> list[Problem]:
        found = []
        if not self.name.strip():
            found.append(Problem("details", "name", _("A name is needed.")))
        if self.number() is None:
            found.append(Problem("details", "count", _("A whole number from 1 on is needed.")))
        return found

    def _problems_of_source(self, offers: Offers) -> list[Problem]:
        if self.source(offers) is None:
            return [Problem("source", "source", _("Something to boot from is needed."))]
        if self.kind == IMAGE and self.new_volume and self._volume_gb() is None:
            return [Problem("source", "volume_gb", _("A whole number from 1 on is needed."))]
        return []

    def _volume_gb(self) -> int | None:
        try:
            size = int(self.volume_gb)
        except ValueError:
            return None
        return size if size >= 1 else None

    def read_user_data(self) -> str:
        """The text, or that of the file it names as @/path; raises OSError."""
        text = self.user_data
        if text.startswith("@") and "\n" not in text.strip():
            path = Path(text.strip()[1:]).expanduser()
            return path.read_bytes().decode("utf-8", "surrogateescape")
        return text

    def request(self, offers: Offers) -> LaunchRequest:
        """The request of a draft without problems."""
        source, flavor = self.source(offers), offers.one("flavors", self.flavor)
        assert source is not None
        assert flavor is not None
        group = offers.one("server_groups", self.server_group)
        return LaunchRequest(
            name=self.name.strip(),
            source=self._source(source, offers),
            flavor=named(flavor, offers.flavors),
            count=self.number() or 1,
            description=self.description,
            zone=self.zone,
            networks=[] if self.no_network else self._named(offers, "networks", self.networks),
            ports=self._named(offers, "ports", self.ports),
            no_network=self.no_network,
            security_groups=self._groups(offers),
            key_name=self.key_name,
            config_drive=self.config_drive,
            user_data=self.read_user_data(),
            password=self.password,
            hostname=self.hostname.strip(),
            server_group=named(group, offers.server_groups) if group else None,
            hints=parse_properties(self.hints)[0],
            properties=parse_properties(self.properties)[0],
        )

    def _source(self, chosen: Json, offers: Offers) -> Source:
        of = named(chosen, getattr(offers, KINDS[self.kind]))
        if self.kind == IMAGE:
            return Source(IMAGE, of, self._volume_gb() if self.new_volume else None, self.delete_volume)
        return Source(self.kind, of, None, self.delete_volume)

    @staticmethod
    def _named(offers: Offers, kind: str, chosen: list[str]) -> list[Named]:
        rows = getattr(offers, kind)
        found = (offers.one(kind, ident) for ident in chosen)
        return [named(one, rows) for one in found if one is not None]

    def _groups(self, offers: Offers) -> list[Named]:
        """The default group alone is what a server gets anyway."""
        chosen = self._named(offers, "security_groups", self.security_groups)
        return [] if [one.word for one in chosen] == [_DEFAULT_GROUP] else chosen

    def summary(self, offers: Offers) -> list[tuple[str, str, str]]:
        """(step, label, value) of everything that was chosen, for the review."""
        source, flavor = self.source(offers), offers.one("flavors", self.flavor)
        kinds = {IMAGE: _("Image"), VOLUME: _("Volume"), SNAPSHOT: _("Volume snapshot")}
        rows = [
            ("details", _("Name"), self.name),
            ("details", _("Count"), self.count),
            ("details", _("Description"), self.description),
            ("details", _("Zone"), self.zone or _("any")),
            ("source", kinds[self.kind], str((source.get("name") or source["id"]) if source else "")),
        ]
        if self.kind == IMAGE and self.new_volume:
            rows.append(("source", _("New volume"), f"{self.volume_gb} GB"))
        if self.on_volume:
            rows.append(("source", _("Delete with the server"), _("yes") if self.delete_volume else _("no")))
        rows.append(("flavor", _("Flavor"), str(flavor["name"]) if flavor else ""))
        names = {
            "networks": ", ".join(one.word for one in self._named(offers, "networks", self.networks)) or _("automatic"),
            "ports": ", ".join(port_label(one) for one in offers.ports if one["id"] in self.ports),
            "groups": ", ".join(one.word for one in self._named(offers, "security_groups", self.security_groups)),
        }
        rows += [
            ("networks", _("Networks"), _("none") if self.no_network else names["networks"]),
            ("ports", _("Network Ports"), names["ports"]),
            ("security_groups", _("Security Groups"), names["groups"]),
            ("key_pair", _("Key Pair"), self.key_name),
            ("configuration", _("Config drive"), _("yes") if self.config_drive else _("no")),
            ("configuration", _("Host name"), self.hostname),
            ("configuration", _("User Data"), self.user_data.splitlines()[0] if self.user_data else ""),
        ]
        group = offers.one("server_groups", self.server_group)
        rows += [
            ("server_groups", _("Server Groups"), str(group["name"]) if group else ""),
            ("hints", _("Scheduler Hints"), ", ".join(self.hints.split("\n"))),
            ("metadata", _("Metadata"), ", ".join(self.properties.split("\n"))),
        ]
        return rows
