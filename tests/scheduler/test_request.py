"""Amounts that follow from a request."""

from __future__ import annotations

from tuinova.scheduler import Amounts, FlavorSpec, amounts_of


def test_disk_is_root_and_ephemeral_and_swap_rounded_up_to_gigabytes() -> None:
    assert amounts_of(FlavorSpec("f", 512, 2, 10, 5, 1025)) == Amounts(2, 512, 17)


def test_a_volume_backed_server_takes_no_root_disk() -> None:
    assert amounts_of(FlavorSpec("f", 512, 2, 10, 5, 0), volume_backed=True).disk_gb == 5


def test_resources_override_amounts_and_zero_drops_a_class() -> None:
    extra = {"resources:VCPU": "0", "resources:MEMORY_MB": "64", "resources:CUSTOM_GPU": "2"}
    amounts = amounts_of(FlavorSpec("f", 512, 2, 10, extra_specs=extra))
    assert amounts == Amounts(0, 64, 10, (("CUSTOM_GPU", 2),))
    assert amounts.as_dict() == {"MEMORY_MB": 64, "DISK_GB": 10, "CUSTOM_GPU": 2}


def test_an_override_that_is_no_number_is_ignored() -> None:
    assert amounts_of(FlavorSpec("f", 512, 2, 0, extra_specs={"resources:VCPU": "many"})).vcpus == 2


def test_legacy_image_properties_are_read_under_todays_names(request_for) -> None:
    spec = request_for(image_properties={"architecture": "x86_64", "vm_mode": "hvm", "hw_vm_mode": "xen"})
    assert spec.properties == {"hw_architecture": "x86_64", "hw_vm_mode": "xen"}


def test_a_hint_given_as_list_of_one_is_its_element(request_for) -> None:
    spec = request_for(scheduler_hints={"cidr": ["/16"], "same_host": "a"})
    assert spec.hint("cidr") == "/16"
    assert spec.hint_list("same_host") == ["a"]
    assert spec.hint_list("different_host") == []
