"""What each engine family needs: arguments, environment, files. One module for each family."""
