"""The control loop of TokenSLO: evidence, data states, the state machine, the capacity ledger."""
