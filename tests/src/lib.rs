//! The harness: processes, brokers and functions for the behaviours in `it/`.
