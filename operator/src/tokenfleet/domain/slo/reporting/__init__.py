"""What is told: views for status, decisions in words, burn rates for alerts."""
