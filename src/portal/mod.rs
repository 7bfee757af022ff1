//! The DocSpace client.
