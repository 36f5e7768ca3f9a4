//! Walks a program natively and under vload, and tells what a signal does under vload that it never
//! does natively: `walk --vload FILE [OPTIONS] -- PROGRAM [ARG]...`.

#[cfg(target_arch = "x86_64")]
fn main() -> std::process::ExitCode {
    vload_tests::walk::command::main()
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    eprintln!("walk: only for x86-64");
}
