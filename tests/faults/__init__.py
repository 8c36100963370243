"""The proof by fault: the service dies, the database refuses or the hypervisor goes away at every step of every action.

`python -m tests.faults` runs the matrix by itself and prints its table; see `rows.py` for the rows, `steps.py` for what
a step is and `invariants.py` for what must hold afterwards.
"""
