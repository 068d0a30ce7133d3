"""The command line, and the one place where adapters meet the rest."""
