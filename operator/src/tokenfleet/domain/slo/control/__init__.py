"""What is decided: the state machines, their memory, the capacity ledger."""
