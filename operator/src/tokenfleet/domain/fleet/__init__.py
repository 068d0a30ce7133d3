"""What is seen at one instant (snapshot), what is asked for (plan), what users can fix."""
