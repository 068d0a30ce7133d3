"""What the control loop would have decided on recorded metrics, and what that might change."""
