"""Hypervisors behind one contract: `driver.py` is the contract, `fake` and `libvirt` keep it."""
