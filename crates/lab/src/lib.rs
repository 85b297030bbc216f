//! Hosts made of network namespaces, for the demonstration and the end-to-end tests.
#![forbid(unsafe_code)]
