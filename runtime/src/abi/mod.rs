//! The one description of system calls: numbers, names, argument kinds. No behaviour.
