//! What an executable file says: ELF headers and `#!` lines, judged by the kernel's rules.
