"""Why the scheduler chose this host: its trace as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuinova.i18n import _
from tuinova.screens import rows
from tuinova.screens.widgets.line_table import fit
from tuinova.screens.widgets.text_panel import Line

BAR = 16
OUTCOMES = {"selected": "ok", "no_valid_host": "error", "undone": "warn"}


def _place(place: Mapping[str, Any] | None) -> str:
    if not place:
        return "-"
    host, node = str(place.get("host") or ""), str(place.get("node") or "")
    return host if node in ("", host) else f"{host} ({node})"


def head_lines(decision: Mapping[str, Any], trace: Mapping[str, Any]) -> list[Line]:
    """Outcome, time, what was asked."""
    outcome = str(trace.get("outcome") or "")
    tone = OUTCOMES.get(outcome, "warn")
    choice = trace.get("choice")
    told = _("chose {host}").format(host=_place(choice)) if choice else _("no valid host")
    lines: list[Line] = [[("● " if choice else "✖ ", tone), (told, tone)]]
    if trace.get("message"):
        lines.append([("  " + str(trace["message"]), tone)])
    times = _("decided {when} in {ms:.2f} ms, claimed in {claim:.2f} ms").format(
        when=rows.local_time(str(trace.get("decided_at") or decision.get("at") or "")),
        ms=float(trace.get("duration_ms") or 0),
        claim=float(trace.get("claim_ms") or 0),
    )
    lines.append([("  " + times, "dim")])
    lines.append([("  " + _("request {id}").format(id=decision.get("request_id") or "-"), "dim")])
    asked = trace.get("request") or {}
    for key, value in asked.items():
        if key not in ("project_id", "image_id"):
            lines.append([("  " + fit(str(key), 22), "label"), (_value(value), "")])
    return [*lines, []]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}:{one}" for key, one in value.items())
    if isinstance(value, list):
        return ",".join(_place(one) if isinstance(one, Mapping) else str(one) for one in value)
    return str(value)


def stage_lines(trace: Mapping[str, Any]) -> list[Line]:
    """Each filter: hosts in, hosts out, who was refused and why."""
    total = max(1, int(trace.get("hosts") or 0))
    lines: list[Line] = [[(_("Hosts through the filters"), "heading")]]
    if trace.get("filters_skipped"):
        lines.append([("  " + _("The host was forced: no filter was asked."), "warn")])
    lines.append([("  " + fit(_("Filter"), 34) + fit(_("in"), 8, True) + fit(_("out"), 8, True), "label")])
    for stage in trace.get("stages") or ():
        came, left = int(stage.get("hosts_in") or 0), int(stage.get("hosts_out") or 0)
        tone = "ok" if left == came else "warn" if left else "error"
        filled = round(left / total * BAR)
        if left and not filled:
            filled = 1
        lines.append(
            [
                ("  " + fit(str(stage.get("name")), 34), ""),
                (fit(str(came), 8, True), "dim"),
                (fit(str(left), 8, True) + "  ", tone),
                ("█" * filled, tone),
                ("░" * (BAR - filled), "rule"),
            ]
        )
        refused = stage.get("rejected") or ()
        for host in refused:
            lines.append([("      ✖ ", "error"), (_place(host), ""), (f"  {host.get('reason') or ''}", "dim")])
        unsaid = came - left - len(refused)
        if refused and unsaid > 0:
            lines.append([("      " + _("and {count} more").format(count=unsaid), "dim")])
    return [*lines, []]


def _short(weigher: str) -> str:
    return weigher.removesuffix("Weigher")


def _number(value: Any) -> str:
    number = float(value or 0)
    return f"{number:.0f}" if number == int(number) and abs(number) < 1e9 else f"{number:.4g}"


def weigher_lines(trace: Mapping[str, Any]) -> list[Line]:
    """The table of weights: of each host the total, then of each weigher weight, normalised and raw value."""
    ranking: Sequence[Mapping[str, Any]] = trace.get("ranking") or ()
    lines: list[Line] = [[(_("Weights"), "heading")]]
    named = [one for one in trace.get("weighers") or () if one.get("counts", True)]
    if not named:
        text = _("One host was left: nothing to weigh.") if trace.get("choice") else _("No host was left to weigh.")
        return [*lines, [("  " + text, "dim")], []]
    names = [str(one["name"]) for one in named]
    widths = [max(10, len(_short(name)) + 2) for name in names]
    head = "  " + fit(_("Host"), 26) + fit(_("Weight"), 9, True)
    head += "".join(fit(_short(name), width, True) for name, width in zip(names, widths, strict=True))
    lines.append([(head, "label")])
    scale = "  " + fit(_("multiplier"), 26) + " " * 9
    lines.append([(scale + "".join(_scale(one, width) for one, width in zip(named, widths, strict=True)), "dim")])
    chosen = _place(trace.get("choice"))
    for rank, host in enumerate(ranking, 1):
        best = _place(host) == chosen
        lines += _host_lines(host, rank, best, names, widths)
    rest = int(trace.get("candidates") or 0) - len(ranking)
    if rest > 0:
        lines.append([("  " + _("and {count} more").format(count=rest), "dim")])
    return [*lines, []]


def _scale(weigher: Mapping[str, Any], width: int) -> str:
    multiplier = weigher.get("multiplier")
    return fit("×" + (_number(multiplier) if multiplier is not None else "*"), width, True)


def _host_lines(
    host: Mapping[str, Any], rank: int, best: bool, names: Sequence[str], widths: Sequence[int]
) -> list[Line]:
    parts = host.get("weighers") or {}
    tone = "ok" if best else ""

    def cells(key: str) -> str:
        return "".join(
            fit(_number((parts.get(name) or {}).get(key)), width, True)
            for name, width in zip(names, widths, strict=True)
        )

    mark = "▶ " if best else "  "
    title = fit(f"{mark}{rank}. {_place(host)}", 28)
    blank = " " * 9
    return [
        [
            (title, "strong" if best else ""),
            (fit(f"{float(host.get('weight') or 0):.3f}", 9, True), tone),
            (cells("weight"), tone),
        ],
        [("    " + fit(_("normalised"), 24) + blank + cells("normalized"), "dim")],
        [("    " + fit(_("raw"), 24) + blank + cells("raw"), "dim")],
    ]


def choice_lines(trace: Mapping[str, Any]) -> list[Line]:
    """Claims that were tried, the alternates."""
    lines: list[Line] = []
    claims = trace.get("claims") or ()
    if claims:
        lines.append([(_("Claims"), "heading")])
        for claim in claims:
            good = bool(claim.get("claimed"))
            word = _("claimed") if good else _("lost to another request")
            lines.append([("  " + fit(_place(claim), 28), ""), (word, "ok" if good else "warn")])
    alternates = trace.get("alternates") or ()
    if alternates:
        lines.append([("  " + _("alternates: "), "label"), (", ".join(_place(one) for one in alternates), "")])
    return lines


def decision_lines(decision: Mapping[str, Any]) -> list[Line]:
    """One decision with everything that it saw."""
    trace = decision.get("trace") or {}
    return [*head_lines(decision, trace), *stage_lines(trace), *weigher_lines(trace), *choice_lines(trace)]
