"""The options of what guests are told (nova/conf/api.py; Neutron's for the limits of its metadata proxy)."""

from __future__ import annotations

from typing import Final

from tuinova.core.config.option import Option

_A, _R = "api", "metadata_rate_limiting"

OPTIONS: Final = (
    Option(
        _A,
        "config_drive_skip_versions",
        "str",
        "1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01",
        "EC2 versions that a config drive does not have.",
    ),
    Option(
        _A,
        "vendordata_providers",
        "list",
        ("StaticJSON",),
        "Where vendor data comes from.",
        choices=("StaticJSON", "DynamicJSON"),
    ),
    Option(_A, "vendordata_jsonfile_path", "str", None, "JSON file that every guest gets as vendor data."),
    Option(_A, "vendordata_dynamic_targets", "list", (), "Services that make vendor data, name@url."),
    Option(_A, "vendordata_dynamic_ssl_certfile", "str", "", "Certificates that those services are checked with."),
    Option(
        _A, "vendordata_dynamic_connect_timeout", "int", 5, "Seconds for a connection to such a service.", minimum=3
    ),
    Option(_A, "vendordata_dynamic_read_timeout", "int", 5, "Seconds for an answer of such a service.", minimum=0),
    Option(_A, "vendordata_dynamic_failure_fatal", "bool", False, "Whether a build fails with such a service."),
    Option(
        _A,
        "metadata_cache_expiration",
        "int",
        15,
        "Seconds that the metadata service keeps what has not changed in the server's record.",
        minimum=0,
    ),
    Option("metadata", "enabled", "bool", True, "Answer guests on 169.254.169.254.", ours=True),
    Option(_R, "rate_limit_enabled", "bool", True, "Whether a guest may ask only so often.", ours=True),
    Option(_R, "base_window_duration", "int", 60, "Seconds of the long window.", ours=True, minimum=1),
    Option(_R, "base_query_rate_limit", "int", 600, "Requests in it; 0: no limit.", ours=True, minimum=0),
    Option(_R, "burst_window_duration", "int", 10, "Seconds of the short window.", ours=True, minimum=1),
    Option(_R, "burst_query_rate_limit", "int", 200, "Requests in it; 0: no limit.", ours=True, minimum=0),
)
