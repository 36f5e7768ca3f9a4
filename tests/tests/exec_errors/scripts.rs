//! Files that begin with `#!`.

use crate::table::{RUNS, Table, exec};
use End::Refused;
use libc::{EACCES, ELOOP, ENOENT, ENOEXEC};
use std::error::Error;
use vload_tests::native::End;
use vload_tests::scratch::Scratch;

/// Scripts; `echo` prints its arguments between brackets, one a line.
pub fn scripts(table: &mut Table, scratch: &Scratch) -> Result<(), Box<dyn Error>> {
    let dir = scratch.path().to_str().ok_or("the folder's name is no UTF-8")?.to_owned();
    let echo = b"#!/bin/sh\nprintf '[%s]\\n' \"$@\"\n";
    let echo = scratch.write("echo", echo, 0o755)?;
    let echo = echo.to_str().ok_or("the folder's name is no UTF-8")?.to_owned();
    let line = |line: &str| line.replace("ECHO", &echo).into_bytes();
    // The script's own path and one argument follow what the line gives.
    table.printing("script", &line("#!ECHO\n"), "[SELF]\n[one]\n");
    table.printing("script without newline", &line("#!ECHO"), "[SELF]\n[one]\n");
    table.printing("script with blanks", &line("#! \tECHO \t\n"), "[SELF]\n[one]\n");
    table.printing("script argument", &line("#!ECHO -a\n"), "[-a]\n[SELF]\n[one]\n");
    let many = "#!ECHO \t -a  b\tc \t\n";
    table.printing("script arguments are one", &line(many), "[-a  b\tc]\n[SELF]\n[one]\n");
    table.printing("script empty argument", &line("#!ECHO "), "[]\n[SELF]\n[one]\n");
    table.printing("script argument, no newline", &line("#!ECHO a "), "[a ]\n[SELF]\n[one]\n");
    table.printing("script NUL behind the path", &line("#!ECHO\0 a\n"), "[SELF]\n[one]\n");
    table.printing("script NUL in the argument", &line("#!ECHO a\0b\n"), "[a]\n[SELF]\n[one]\n");
    table.file("script CR", Refused(ENOENT), line("#!ECHO\r\n"));
    table.file("script alone", Refused(EACCES), b"#!".to_vec());
    table.file("script blank", Refused(EACCES), b"#! ".to_vec());
    table.file("script newline", Refused(ENOEXEC), b"#!\n".to_vec());
    table.file("script blanks and newline", Refused(ENOEXEC), b"#! \t \n".to_vec());
    table.file("script NUL first", Refused(EACCES), b"#!\0/bin/sh\n".to_vec());
    table.file("script 256 blanks", Refused(ENOEXEC), [b"#!".as_slice(), &[b' '; 300]].concat());
    table.file("script missing", Refused(ENOENT), b"#!/missing/interpreter\n".to_vec());
    table.file("script is a folder", Refused(EACCES), b"#!/\n".to_vec());
    table.file("script not executable", Refused(EACCES), b"#!/dev/null\n".to_vec());
    table.file("not a script", Refused(ENOEXEC), b" #!/bin/sh\n".to_vec());
    table.file("not a script either", Refused(ENOEXEC), b"#/bin/sh\n".to_vec());

    // A path of exactly so many bytes, by slashes in front of its last part.
    let padded = |len: usize| {
        let slashes = "/".repeat(len - dir.len() - "echo".len());
        format!("{dir}{slashes}echo")
    };
    let path_of = |len: usize, rest: &str| format!("#!{}{rest}", padded(len)).into_bytes();
    table.printing("script path of 253", &path_of(253, "\n"), "[SELF]\n[one]\n");
    table.printing("script path of 253, blank", &path_of(253, " \n"), "[SELF]\n[one]\n");
    table.printing("script path of 253, argument", &path_of(253, " a\n"), "[SELF]\n[one]\n");
    table.printing("script path of 253, end", &path_of(253, ""), "[SELF]\n[one]\n");
    table.file("script path of 254", Refused(ENOEXEC), path_of(254, "\n"));
    table.file("script path of 254, blank", Refused(ENOEXEC), path_of(254, " \n"));
    table.file("script path of 254, end", Refused(ENOEXEC), path_of(254, ""));
    table.file("script path of 300", Refused(ENOEXEC), path_of(300, "\n"));
    table.printing("script argument cut", &path_of(250, " abcd\n"), "[ab]\n[SELF]\n[one]\n");
    table.printing("script argument cut, blank", &path_of(250, " a cd\n"), "[a]\n[SELF]\n[one]\n");
    table.printing("script argument cut away", &path_of(250, "     d\n"), "[SELF]\n[one]\n");

    // Five replacements of a file by its interpreter, and one too many.
    scratch.write("nest-1", &exec().build(), 0o755)?;
    for depth in 2..=7 {
        let script = format!("#!{dir}/nest-{}\n", depth - 1);
        scratch.write(&format!("nest-{depth}"), script.as_bytes(), 0o755)?;
    }
    table.file("script nested", RUNS, format!("#!{dir}/nest-5\n").into_bytes());
    table.file("script nested too deep", Refused(ELOOP), format!("#!{dir}/nest-6\n").into_bytes());
    scratch.write("deep-missing", b"#!/missing\n", 0o755)?;
    table.file("script nested, missing", Refused(ENOENT), format!("#!{dir}/deep-missing\n").into());
    scratch.write("empty", b"", 0o755)?;
    table.file("script of an empty file", Refused(ENOEXEC), format!("#!{dir}/empty\n").into());
    Ok(())
}
