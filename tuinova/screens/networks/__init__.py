"""The networks' room: topology, networks with subnets, ports, routers, security groups, floating IPs."""
