"""Tests of the built-in cluster; those that start one use an instance of their own."""
