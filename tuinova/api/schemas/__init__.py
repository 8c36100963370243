"""Request schemas as data, after nova/api/openstack/compute/schemas at microversion 2.96."""
