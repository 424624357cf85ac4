//! How the command line reaches a host side.
