"""What is promised: TokenSLOs as numbers, and the error budget over weeks."""
