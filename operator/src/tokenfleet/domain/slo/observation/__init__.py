"""What is seen: counts, data states, evidence, engines' own gauges."""
