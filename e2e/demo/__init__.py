"""The story of Tokenfleet on a real cluster: a breach, a shift, and the way back."""
