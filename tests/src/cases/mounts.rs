//! File systems that modules have the types of, mounted by `vload mount` and by the system's `mount`.

use super::modules::expect;
use crate::case::Case;
use crate::execute::{Bench, Host, Outcome};
use crate::needs::Need;
use crate::programs::Build;
use anyhow::{Result, ensure};

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| Case::new(format!("mounts/{name}")).plain_only().run(&["{vload}"]);
    let natively =
        |case: Case| case.needs(Need::Root).needs(Need::UserNamespaces).needs_program("mount");
    vec![
        case("verbs").check(verbs),
        case("verbs-refuse").check(refused),
        case("verbs-of-nobody")
            .needs(Need::Root)
            .needs_program("setpriv")
            .within(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
            .check(of_nobody),
        natively(case("system")).check(system),
        natively(case("unwritable")).build(Build::c("unwritable.c")).check(new_interface),
        natively(case("unwritable-in-part"))
            .build(Build::c("unwritable.c"))
            .needs(Need::File("/mnt"))
            .check(in_part),
        natively(case("new-interface")).build(Build::c("mounts.c")).check(new_interface),
    ]
}

/// Runs lines in a session that has the type `memfs`.
fn inside(bench: &Bench<'_>, lines: &[&str]) -> Result<Outcome> {
    let script = lines.join("\n").replace("vload ", "{vload} ");
    bench.vload_alone(&["-m", "memfs", "sh", "-c", &script])
}

fn verbs(bench: &Bench<'_>) -> Result<()> {
    let outcome = inside(
        bench,
        &[
            "mkdir here; echo below >here/real",
            "vload mount -t memfs none here && ls here; echo $?",
            "(echo text >here/file); cat here/file",
            // One on top of another, and options of both kinds.
            "vload mount -t memfs -o ro,noatime -osize=64k,mode=750 source ./here/; echo $?",
            "stat -c %A here; stat -fc %b here; cat here/file; (echo no >here/file); echo $?",
            "vload umount here; cat here/file",
            "exec 3<here/file; vload umount here; echo $?; exec 3<&-",
            "vload umount -- $PWD/here; echo $?; cat here/real; vload umount here; echo $?",
        ],
    )?;
    expect(&outcome, "0\ntext\n0\ndrwxr-x---\n16\n2\ntext\n1\n0\nbelow\n1\n")?;
    let errors = outcome.error_text();
    ensure!(errors.contains("umount: here: somebody has a file of it open (EBUSY)"), "{errors}");
    ensure!(errors.contains("umount: here: nothing is mounted there (EINVAL)"), "{errors}");
    ensure!(!bench.folder().join("here/file").exists(), "it is there outside");
    Ok(())
}

/// What a module mounts takes no privilege.
fn of_nobody(bench: &Bench<'_>) -> Result<()> {
    let outcome = inside(
        bench,
        &[
            "id -u; mkdir here; vload mount -t memfs none here; (echo text >here/file); cat here/file",
            "stat -c %u here/file; vload umount here; ls here; vload mount -t tmpfs none here; echo $?",
        ],
    )?;
    expect(&outcome, "65534\ntext\n65534\n1\n")?;
    let errors = outcome.error_text();
    ensure!(errors.contains("mount: here: Operation not permitted (EPERM)"), "{errors}");
    Ok(())
}

fn refused(bench: &Bench<'_>) -> Result<()> {
    let cases: [(&str, i32, &str); 11] = [
        (
            "mount -t nosuch none .",
            1,
            "mount: .: neither a module nor the kernel has file systems of type 'nosuch'",
        ),
        ("mount -t memfs none none", 1, "mount: none: No such file or directory (ENOENT)"),
        (
            "mount -t memfs -o size=much none .",
            1,
            "mount: .: the file system does not take these options (EINVAL)",
        ),
        ("mount -t memfs none file", 1, "mount: file: Not a directory (ENOTDIR)"),
        ("mount none .", 125, "mount: say what type of file system it is: -t TYPE"),
        ("mount -t memfs none", 125, "mount: what is mounted, and where"),
        ("mount -t", 125, "mount: option '-t' needs a value"),
        ("mount -x -t memfs none .", 125, "unknown option '-x'"),
        ("umount", 125, "umount: say where the file system is that goes"),
        ("umount -l .", 125, "unknown option '-l'"),
        ("umount none", 1, "umount: none: No such file or directory (ENOENT)"),
    ];
    for (words, code, said) in cases {
        let outcome = inside(bench, &[&format!(": >file; vload {words}; echo $?")])?;
        expect(&outcome, &format!("{code}\n"))?;
        ensure!(outcome.error_text().contains(said), "{words}: {}", outcome.error_text());
    }
    for words in [&["mount", "-t", "memfs", "none", "."][..], &["umount", "."]] {
        let outcome = bench.vload_alone(words)?;
        let errors = outcome.error_text();
        ensure!(outcome.code() == Some(125) && errors.contains("not inside a session"), "{errors}");
    }
    Ok(())
}

/// Compares a script with a tmpfs natively, in a mount namespace of its own, with one that has `memfs` in a session.
fn compare(bench: &Bench<'_>, words: &[&str]) -> Result<()> {
    let with = |kind: &str| words.iter().map(|word| word.replace("TYPE", kind)).collect::<Vec<_>>();
    let natively = ["unshare", "--mount", "--propagation", "private"];
    let native = with("tmpfs");
    let native: Vec<&str> = natively.into_iter().chain(native.iter().map(String::as_str)).collect();
    let native = bench.run_command(Host::Native, &native)?;
    ensure!(native.success(), "natively: {}: {}", native.end, native.error_text());
    let hosted = with("memfs");
    let hosted: Vec<&str> =
        ["-m", "memfs", "--"].into_iter().chain(hosted.iter().map(String::as_str)).collect();
    let hosted = bench.vload_alone(&hosted)?;
    expect(&hosted, &native.text())?;
    ensure!(hosted.end == native.end, "{}: {}", hosted.end, hosted.error_text());
    Ok(())
}

/// mount(8) and umount(8), whichever interface of the kernel's they are made for.
fn system(bench: &Bench<'_>) -> Result<()> {
    let script = [
        "mkdir here; echo below >here/real",
        "mount -t TYPE none here; echo $?; ls here",
        "(echo text >here/file); cat here/file",
        "mount -t TYPE -o ro,mode=750,size=64k none $PWD/here; echo $?",
        "stat -c %A here; stat -fc %b here; (echo no >here/file) 2>/dev/null; echo $?",
        "test -w here; echo $?; test -r here; echo $?",
        "unlink here 2>&1; mv here there 2>&1; mkdir there; mv -T there here 2>&1; rmdir there here 2>&1",
        "umount here; echo $?; cat here/file",
        "exec 3<here/file; umount here 2>/dev/null; echo $?; exec 3<&-",
        "umount -l here; echo $?; cat here/real; umount here 2>/dev/null; echo $?",
        "mount -t TYPE none nowhere 2>/dev/null; echo $?; : >file; mount -t TYPE none file; echo $?",
        "mount -t TYPE -o size=much none here 2>/dev/null; echo $?; cat here/real",
    ];
    compare(bench, &["/bin/sh", "-c", &script.join("\n")])
}

/// A program that mounts the type itself.
fn new_interface(bench: &Bench<'_>) -> Result<()> {
    compare(bench, &["{0}", "TYPE"])
}

/// The same in a tree that is `unreal`'s, of which one part is not like another.
fn in_part(bench: &Bench<'_>) -> Result<()> {
    let native = bench.run_command(Host::Native, &["{0}", "tmpfs", ""])?;
    ensure!(native.success(), "natively: {}: {}", native.end, native.error_text());
    expect(&bench.vload_alone(&["-m", "unreal", "--", "{0}", "tmpfs", "/unreal"])?, &native.text())
}
