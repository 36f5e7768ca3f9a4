//! Runs a program and counts its entries into the kernel that do not come from vload's gate:
//! `audit --vload VLOAD [-o REPORT] [--calls FILE] WORD...`. It ends as the program does.

fn main() -> std::process::ExitCode {
    vload_tests::host::audit()
}
