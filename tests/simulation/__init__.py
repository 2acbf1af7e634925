"""The fault simulator: the real services on a virtual clock, among faults."""
