"""The volume service (cinder-volume): one for all compute hosts, since every host reaches every volume."""
