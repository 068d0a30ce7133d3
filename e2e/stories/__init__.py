"""What users do and see, on a real cluster: each story asserts on user-visible facts only."""
