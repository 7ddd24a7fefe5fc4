//! The eBPF backend: load, attach, pin, hand over, uninstall.
