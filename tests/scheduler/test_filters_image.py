"""What images ask of hosts."""

from __future__ import annotations

import pytest

KVM = (("x86_64", "kvm", "hvm"), ("x86_64", "qemu", "hvm"))
ARM = (("aarch64", "qemu", "hvm"),)


def test_all_properties_must_stand_in_one_supported_tuple(cloud, request_for) -> None:
    cloud.add("kvm", supported_instances=KVM)
    cloud.add("mixed", supported_instances=(("x86_64", "qemu", "hvm"), ("aarch64", "kvm", "hvm")))
    cloud.add("arm", supported_instances=ARM)
    cloud.add("mute")
    spec = request_for(image_properties={"hw_architecture": "x86_64", "img_hv_type": "kvm", "hw_vm_mode": "hvm"})
    reasons = cloud.refusals("ImagePropertiesFilter", spec)
    assert sorted(reasons) == ["arm", "mixed", "mute"]
    assert reasons["arm"] == "image asks for x86_64/kvm/hvm, the host supports aarch64/qemu/hvm"
    assert reasons["mute"] == "image asks for x86_64/kvm/hvm, the host advertises nothing"


def test_an_image_without_such_properties_goes_anywhere(cloud, request_for) -> None:
    cloud.add("mute")
    assert cloud.passing("ImagePropertiesFilter", request_for(image_properties={"hw_disk_bus": "virtio"})) == ["mute"]


@pytest.mark.parametrize("spelling", [{"hw_architecture": "AMD64"}, {"architecture": "x86-64"}, {"vm_mode": "HV"}])
def test_other_spellings_mean_the_same(cloud, request_for, spelling) -> None:
    cloud.add("kvm", supported_instances=KVM)
    cloud.add("other", supported_instances=(("aarch64", "kvm", "exe"),))
    assert cloud.passing("ImagePropertiesFilter", request_for(image_properties=spelling)) == ["kvm"]


def test_a_default_architecture_stands_in_for_a_missing_one(cloud, request_for) -> None:
    cloud.add("kvm", supported_instances=KVM)
    cloud.add("arm", supported_instances=ARM)
    option = {"image_properties_default_architecture": "aarch64"}
    assert cloud.passing("ImagePropertiesFilter", request_for(), **option) == ["arm"]
    spec = request_for(image_properties={"hw_architecture": "x86_64"})
    assert cloud.passing("ImagePropertiesFilter", spec, **option) == ["kvm"]


def test_a_hypervisor_version_asked_for_must_be_met(cloud, request_for) -> None:
    cloud.add("new", supported_instances=KVM, hypervisor_version=8_002_001)
    cloud.add("old", supported_instances=KVM, hypervisor_version=7_000_000)
    cloud.add("unknown", supported_instances=KVM)
    properties = {"img_hv_type": "kvm", "img_hv_requested_version": ">=8.0"}
    assert cloud.refusals("ImagePropertiesFilter", request_for(image_properties=properties)) == {
        "old": "image asks for hypervisor version >=8.0, has 7.0.0"
    }


def test_a_hypervisor_version_is_judged_only_beside_other_properties(cloud, request_for) -> None:
    cloud.add("old", supported_instances=KVM, hypervisor_version=7_000_000)
    assert cloud.passing("ImagePropertiesFilter", request_for(image_properties={"img_hv_type": "kvm"})) == ["old"]
    alone = request_for(image_properties={"img_hv_requested_version": ">=8.0"})
    assert cloud.passing("ImagePropertiesFilter", alone) == ["old"]


def test_physical_address_bits_of_the_image_need_as_many_of_the_host(cloud, request_for) -> None:
    cloud.add("wide", cpu_info={"maxphysaddr": {"bits": 42}})
    cloud.add("narrow", cpu_info={"maxphysaddr": 40})
    cloud.add("unknown")
    spec = request_for(image_properties={"hw_maxphysaddr_bits": "42"})
    assert cloud.refusals("ImagePropertiesFilter", spec) == {
        "narrow": "image asks for 42 physical address bits, has 40",
        "unknown": "image asks for 42 physical address bits, has 0",
    }


def test_an_aggregate_takes_only_images_with_its_values(cloud, request_for, aggregate) -> None:
    cloud.add("linux", aggregates=[aggregate(1, os_type="linux, bsd")])
    cloud.add("windows", aggregates=[aggregate(2, os_type="windows")])
    cloud.add("plain")
    spec = request_for(image_properties={"os_type": "linux"})
    assert cloud.refusals("AggregateImagePropertiesIsolation", spec) == {
        "windows": "image property os_type = linux, its aggregates allow windows"
    }
    assert cloud.passing("AggregateImagePropertiesIsolation", request_for()) == ["linux", "plain", "windows"]


def test_properties_that_the_schema_does_not_know_are_not_compared(cloud, request_for, aggregate) -> None:
    cloud.add("a", aggregates=[aggregate(1, colour="red")])
    spec = request_for(image_properties={"colour": "blue"})
    assert cloud.passing("AggregateImagePropertiesIsolation", spec) == ["a"]


def test_isolation_can_be_restricted_to_a_name_space(cloud, request_for, aggregate) -> None:
    cloud.add("a", aggregates=[aggregate(1, os_type="windows")])
    cloud.add("b", aggregates=[aggregate(2, hw_machine_type="pc")])
    spec = request_for(image_properties={"os_type": "linux", "hw_machine_type": "q35"})
    options = {
        "aggregate_image_properties_isolation_namespace": "hw",
        "aggregate_image_properties_isolation_separator": "_",
    }
    assert cloud.passing("AggregateImagePropertiesIsolation", spec, **options) == ["a"]


@pytest.mark.parametrize(
    ("images", "restrict", "image", "expected"),
    [
        (("iso",), True, "iso", ["isolated"]),
        (("iso",), True, "other", ["normal"]),
        (("iso",), False, "iso", ["isolated"]),
        (("iso",), False, "other", ["isolated", "normal"]),
        ((), True, "iso", ["normal"]),
        ((), False, "iso", ["isolated", "normal"]),
    ],
)
def test_isolated_hosts_and_images_belong_together(cloud, request_for, images, restrict, image, expected) -> None:
    cloud.add("isolated")
    cloud.add("normal")
    options = {
        "isolated_hosts": ("isolated",),
        "isolated_images": images,
        "restrict_isolated_hosts_to_isolated_images": restrict,
    }
    assert cloud.passing("IsolatedHostsFilter", request_for(image_id=image), **options) == expected
