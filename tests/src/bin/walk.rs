//! Walks a program natively and under vload, and tells what a signal does under vload that it never
//! does natively: `walk --vload FILE [OPTIONS] -- PROGRAM [ARG]...`.

fn main() -> std::process::ExitCode {
    vload_tests::host::walk()
}
