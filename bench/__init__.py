"""What is measured, each value beside its budget and the peer or limit of the same run."""
