"""`make gpu-check`: what the operator counts on, asked of a real engine on a real GPU."""
