//! Runs a program and brings the calls of each vload below it to the resident:
//! `bounce VLOAD WORD...`, where the words make that vload patch nothing. The program is this
//! process's own: its parent, its end and its place in the terminal are as without.

fn main() -> std::process::ExitCode {
    vload_tests::host::bounce()
}
