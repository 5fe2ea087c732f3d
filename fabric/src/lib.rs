//! The program: command line, gateway, and the adapters for the ports of the supervision tree.
