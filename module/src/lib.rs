//! What a module is to vload, and vload to a module.
//!
//! A module is a shared object without a C library that gives system calls a meaning. vload loads it
//! into a session, once, and maps it into each process of the session.

#![no_std]

pub mod abi;
