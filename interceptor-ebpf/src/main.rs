//! The cgroup programs: program entry points only.
#![no_std]
#![no_main]
