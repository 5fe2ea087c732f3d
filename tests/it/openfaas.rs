//! The doorway from OpenFaaS: its command line.

mod cli;
