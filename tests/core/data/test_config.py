"""Configuration: Nova's names, clear refusals, every value with its source."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuinova.core.config import OPTIONS, Config, Option, load
from tuinova.core.config.renamed import RENAMED, WITHOUT_EFFECT
from tuinova.core.errors import InvalidConfig


@pytest.fixture
def read(tmp_path: Path):
    def read_text(text: str, **environ: str) -> Config:
        path = tmp_path / "tuinova.toml"
        path.write_text(text)
        return load(path, environ=environ)

    return read_text


def test_without_a_file_every_value_is_the_default():
    config = load(Path("/nonexistent/tuinova.toml"), environ={})
    assert (config.DEFAULT.shutdown_timeout, config.compute.shutdown_retry_interval) == (60, 10)
    assert (config.quota.cores, config.libvirt.virt_type, config.tuinova.driver) == (20, "auto", "auto")
    assert {entry["source"] for entry in config.describe()} == {"default"}
    assert all(entry["value"] == entry["default"] for entry in config.describe())


def test_values_of_the_file_have_their_type_and_their_line(read):
    config = read(
        "debug = true\n"
        "[scheduler]\nmax_attempts = 5\n"
        '[filter_scheduler]\nenabled_filters = ["ComputeFilter", "RamFilter"]\nram_weight_multiplier = -1\n'
        '[libvirt]\nconnection_uris = "qemu:///system, test:///default"\n'
    )
    assert config.DEFAULT.debug is True
    assert config.scheduler.max_attempts == 5
    assert config.filter_scheduler.enabled_filters == ("ComputeFilter", "RamFilter")
    assert config.filter_scheduler.ram_weight_multiplier == -1.0
    assert config.libvirt.connection_uris == ("qemu:///system", "test:///default")
    assert config.source("scheduler", "max_attempts") == f"{config.path}:3"
    assert config.source("scheduler", "max_placement_results") == "default"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[DEFAULT]\nshutdwn_timeout = 3\n", r":2: unknown option \[DEFAULT\] shutdwn_timeout: did you mean shutdown"),
        ("\n\nscheduler_x = 3\n", r":3: unknown option \[DEFAULT\] scheduler_x"),
        ("[compute]\nshutdown_timeout = 3\n", r"shutdown_timeout: it belongs in \[DEFAULT\]"),
        ("[schedulr]\nmax_attempts = 3\n", r"max_attempts: it belongs in \[scheduler\]"),
        ("[compte]\nx = 3\n", r"unknown group \[compte\]: did you mean \[compute\]\?"),
        ("[libvirt]\nmax_atempts = 3\n", r"did you mean \[scheduler\] max_attempts\?"),
        ("[quota]\ncores = -2\n", r":2: \[quota\] cores: -2 is below -1"),
        ("[quota]\ncores = 'many'\n", r"cores: 'many' is not a whole number"),
        ("[quota]\ncores = 1.5\n", r"cores: 1.5 is not a whole number"),
        ("[quota]\ncores = true\n", r"cores: True is not a whole number"),
        ("[scheduler]\nmax_attempts = 0\n", r"0 is below 1"),
        ("[DEFAULT]\ndebug = 'perhaps'\n", r"'perhaps' is not true or false"),
        ("[DEFAULT]\ncpu_allocation_ratio = nan\n", r"is not a number"),
        ("[libvirt]\nvirt_type = 'xen'\n", r"'xen' is none of auto, kvm, qemu"),
        ("[vnc]\nserver_listen = 5\n", r"server_listen: 5 is not text"),
        ("[filter_scheduler]\nenabled_filters = [1]\n", r"is not a list of texts"),
        ("[quota.cores]\nx = 1\n", r"\[quota\] cores is an option, not a group"),
        ("[scheduler\n", r"Expected '\]' at the end of a table declaration \(at line 1"),
    ],
)
def test_a_wrong_file_is_refused_with_place_name_and_suggestion(read, text, complaint):
    with pytest.raises(InvalidConfig, match=complaint) as refusal:
        read(text)
    assert "tuinova.toml" in str(refusal.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "tuinova.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidConfig, match=r"tuinova\.toml"):
        load(path, environ={})
    with pytest.raises(InvalidConfig, match="directory"):
        load(tmp_path, environ={})


def test_names_of_2017_are_taken_with_a_warning(read):
    config = read(
        "[DEFAULT]\n"
        'scheduler_default_filters = "RetryFilter,RamFilter"\n'
        'scheduler_driver = "filter_scheduler"\n'
        "quota_cores = 5\n"
        'compute_driver = "fake.FakeDriver"\n'
        "instance_usage_audit = true\n"
    )
    assert config.filter_scheduler.enabled_filters == ("RetryFilter", "RamFilter")
    assert (config.quota.cores, config.tuinova.driver) == (5, "fake")
    assert [warning.split(": ", 1)[1] for warning in config.warnings] == [
        "[DEFAULT] scheduler_default_filters is an old name, use [filter_scheduler] enabled_filters",
        "[DEFAULT] scheduler_driver has no effect in this version",
        "[DEFAULT] quota_cores is an old name, use [quota] cores",
        "[DEFAULT] instance_usage_audit has no effect in this version",
    ]


@pytest.mark.parametrize("order", [("old", "new"), ("new", "old")])
def test_todays_name_wins_over_the_old_one(read, order):
    texts = {"old": "[DEFAULT]\nquota_cores = 5\n", "new": "[quota]\ncores = 7\n"}
    assert read("".join(texts[name] for name in order)).quota.cores == 7


def test_the_environment_wins_and_is_named_as_the_source(read):
    config = read(
        "[quota]\ncores = 5\n",
        TUINOVA_QUOTA_CORES="9",
        TUINOVA_TUINOVA_DRIVER="fake",
        TUINOVA_FILTER_SCHEDULER_ENABLED_FILTERS="ocata",
        TUINOVA_DEFAULT_DEBUG="yes",
        TUINOVA_STATE_DIR="/x",
        TUINOVA_THEME="dark",
        HOME="/root",
    )
    assert (config.quota.cores, config.tuinova.driver, config.DEFAULT.debug) == (9, "fake", True)
    assert config.filter_scheduler.enabled_filters == ("ocata",)
    assert config.source("quota", "cores") == "environment TUINOVA_QUOTA_CORES"


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("TUINOVA_QUOTA_CORE", "5", "did you mean TUINOVA_QUOTA_CORES"),
        ("TUINOVA_QUOTA_CORES", "x", "TUINOVA_QUOTA_CORES: 'x' is not a whole number"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(read, variable, value, complaint):
    with pytest.raises(InvalidConfig, match=complaint):
        read("", **{variable: value})


def test_where_our_default_differs_from_novas_is_marked(read):
    differing = {(entry["group"], entry["name"]) for entry in read("").describe() if entry["differs_from_nova"]}
    assert {("DEFAULT", "allow_resize_to_same_host"), ("DEFAULT", "resume_guests_state_on_host_boot")} <= differing
    assert not any(group == "tuinova" for group, _ in differing)


def test_a_password_in_the_databases_url_is_not_shown(read):
    config = read('[database]\nconnection = "postgresql://nova:secret@db/nova"\n')
    shown = {(entry["group"], entry["name"]): entry["value"] for entry in config.describe()}
    assert shown[("database", "connection")] == "postgresql://nova:***@db/nova"
    assert config.database.connection.endswith("nova:secret@db/nova")


def test_an_empty_text_unsets_an_optional_value(read):
    assert read('[DEFAULT]\nhost = ""\n').DEFAULT.host is None


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.group}.{option.name}")
def test_every_option_takes_its_own_default_and_says_what_it_is(option: Option):
    assert option.read(option.default) == option.default
    assert option.help.endswith((".", "."))
    assert option.kind in ("bool", "int", "float", "str", "list")


def test_names_are_unique_and_old_ones_lead_somewhere():
    names = [(option.group, option.name) for option in OPTIONS]
    assert len(names) == len(set(names))
    assert set(RENAMED.values()) <= set(names)
    assert not (set(RENAMED) | WITHOUT_EFFECT) & set(names)


def test_an_unknown_option_or_group_in_code_is_an_error(read):
    config = read("")
    with pytest.raises(AttributeError, match=r"there is no option colour in \[compute\]"):
        _ = config.compute.colour
    with pytest.raises(AttributeError, match=r"there is no option group \[colours\]"):
        _ = config.colours
