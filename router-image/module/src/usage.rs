//! Token counts and errors inside answers.
