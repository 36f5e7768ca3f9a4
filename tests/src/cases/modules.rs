//! Modules that are files: loaded into a session that runs, seen by all of it, refused with a reason.

use crate::arch::Arch;
use crate::case::Case;
use crate::compare::difference;
use crate::execute::{Bench, Host, Outcome};
use crate::needs::{Need, find_program};
use crate::programs::Build;
use crate::runner::sources;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| {
        let parent = Build::c("parent.c");
        Case::new(format!("modules/{name}")).build(parent).run(&["{0}"]).plain_only()
    };
    let in_every_mode = |name: &str| Case::new(format!("modules/{name}")).run(&["{0}"]);
    let vkern = Build::c_with(
        "vkern.c",
        "",
        &["-nostdlib", "-static", "-no-pie", "-ffreestanding", "-fno-stack-protector"],
    );
    vec![
        case("insmod").check(insmod),
        case("refused").check(refused),
        case("outside").check(outside),
        case("begin").check(begin),
        case("views").check(views),
        // A descriptor of a virtual file is opened through /proc.
        case("views-of-services").not_under(NO_PROC).check(services),
        case("waits").build(Build::c("awaits.c")).not_under(NO_PROC).check(waits),
        case("stays")
            .build(Build::c_with("stays.c", "", &["-pthread"]))
            .not_under(NO_PROC)
            .check(stays),
        // qemu-user has no filters.
        case("sleepers")
            .build(Build::c_with("sleepers.c", "", &["-pthread"]))
            .not_under(NO_PROC)
            .on(&[Arch::X86_64, Arch::I686])
            .check(as_a_fifo),
        case("under").needs(Need::Root).needs_program("mount").not_under(NO_PROC).check(under),
        in_every_mode("faults").build(Build::c("parent.c")).everywhere().check(faults),
        case("faults-elsewhere").check(faults_elsewhere),
        case("faults-of-services").not_under(NO_PROC).check(faults_of_services),
        case("faults-in-rust").on(&[Arch::X86_64]).check(faults_in_rust),
        in_every_mode("claims")
            .build(Build::c("claimed.c"))
            .everywhere()
            .never_confined()
            .check(claims),
        Case::new("modules/vectors")
            .build(Build::c_with("extended.c", "", &["-pthread"]))
            .run(&["{0}"])
            .plain_only()
            .on(&[Arch::X86_64, Arch::I686])
            .check(vectors),
        case("file-is-replaced").check(replaced),
        case("at-once").check(at_once),
        in_every_mode("table").build(vkern).check(table),
    ]
}

/// Where there is no `/proc` of the process's own.
pub(super) const NO_PROC: &[&str] = &["bwrap", "foreign-proc", "no-proc"];

/// The number of getppid(2).
fn getppid(arch: Arch) -> u32 {
    match arch {
        Arch::X86_64 => 110,
        Arch::I686 => 64,
        Arch::Aarch64 | Arch::Riscv64 => 173,
    }
}

/// Where the case's modules are kept: its folder is made anew for each run.
pub(super) fn kept(bench: &Bench<'_>) -> PathBuf {
    bench.machine.work.join("modules").join(bench.case.name.replace('/', "-"))
}

/// Compiles a module of `tests/programs/modules` into the case's folder, with `options` besides.
pub(super) fn module(bench: &Bench<'_>, source: &str, name: &str, options: &[&str]) -> Result<()> {
    let tool = find_program(bench.machine.arch.cc().first().copied().unwrap_or("cc"))
        .context("no C compiler")?;
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../module/include");
    fs::create_dir_all(kept(bench))?;
    let output = Command::new(tool)
        .args(bench.machine.arch.cc().iter().skip(1))
        .args(["-O2", "-Wall", "-Werror", "-fPIC", "-shared", "-nostdlib", "-ffreestanding"])
        .args(["-fno-stack-protector", "-Wl,-Bsymbolic"])
        .arg(format!("-DGETPPID={}", getppid(bench.machine.arch)))
        .arg("-I")
        .arg(include)
        .arg("-o")
        .arg(kept(bench).join(name))
        .arg(sources().join("../modules").join(source))
        .args(options)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Runs `line` by `vload sh`, where `parent` prints what getppid(2) gives.
pub(super) fn inside(bench: &Bench<'_>, options: &[&str], line: &str) -> Result<Outcome> {
    let line = line.replace("vload ", "{vload} ").replace("parent ", "{0} ");
    let line = bench.word(&line).replace(&bench.word("rmmod {0} "), "rmmod parent ");
    let line = format!("cd {}; {line}", kept(bench).display());
    let here = format!("{}/", kept(bench).display());
    let options: Vec<String> = options.iter().map(|word| word.replace("./", &here)).collect();
    let mut words: Vec<&str> = options.iter().map(String::as_str).collect();
    words.extend(["sh", "-c", &line]);
    bench.vload_alone(&words)
}

/// Says the line, what was expected, and what came.
pub(super) fn expect(outcome: &Outcome, stdout: &str) -> Result<()> {
    let (text, errors) = (outcome.text(), outcome.error_text());
    ensure!(text == stdout, "{text:?} and not {stdout:?}; {}, errors: {errors:?}", outcome.end);
    Ok(())
}

fn insmod(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    let outcome = inside(
        bench,
        &[],
        "parent 1; vload insmod ./parent.so; parent 2; (parent 1); vload lsmod | tail -n 1 | cut -c1-7; \
         vload insmod ./parent.so pid=1717; parent 1; vload lsmod --json >list; \
         vload rmmod parent; parent 1; vload rmmod parent; parent 1",
    )?;
    expect(&outcome, "real\n4242\n4242\n4242\nparent \n1717\n4242\nreal\n")?;
    let list = fs::read(kept(bench).join("list"))?;
    let list: serde_json::Value = serde_json::from_slice(&list)?;
    let epoch = |index: usize| list[index]["epoch"].as_u64();
    ensure!(list.as_array().is_some_and(|list| list.len() == 2), "{list}");
    ensure!(epoch(0) < epoch(1) && list[1]["arguments"] == "pid=1717", "{list}");
    for one in list.as_array().into_iter().flatten() {
        ensure!(one["name"] == "parent" && one["kind"] == "raw", "{list}");
        ensure!(one["description"] == "every process has the same parent", "{list}");
        ensure!(one["age"].as_u64().is_some_and(|age| age < 600), "{list}");
        ensure!(one["view"] == 0 && one["users"] == 0 && one["claims"] == 1, "{list}");
    }
    Ok(())
}

/// A view that has the first service layer of its session still has it when the view that it comes from gets some.
fn services(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let outcome = inside(
        bench,
        &[],
        "mkfifo ready go; \
         vload -m hello sh -c 'cat /hello; echo >ready; read line <go; cat /hello; cat /dev/useless' & \
         read line <ready; vload insmod useless; echo kept >/dev/useless; echo >go; wait; \
         cat /hello 2>/dev/null || echo none",
    )?;
    expect(&outcome, "Hello UMView!\nHello UMView!\nkept\nnone\n")
}

/// The case's program does with a module's pipe what it does with a fifo of the kernel's.
fn as_a_fifo(bench: &Bench<'_>) -> Result<()> {
    module(bench, "pipe.c", "pipe.so", &[])?;
    let (program, pipe) = (bench.word("{1}"), bench.word("{dir}/fifo"));
    let native = bench.run_command(Host::Native, &[&program, &pipe])?;
    ensure!(native.success(), "natively: {}, {}", native.end, native.error_text());
    let layer = kept(bench).join("pipe.so").display().to_string();
    let outcome = bench.vload_alone(&["-m", &layer, &program, "/vpipe"])?;
    if let Some(found) = difference(&[], &native, &outcome) {
        bail!("{found}");
    }
    Ok(())
}

/// A module says when its file is ready: that is waited for as for a pipe, together with pipes of the kernel's.
fn waits(bench: &Bench<'_>) -> Result<()> {
    as_a_fifo(bench)?;
    // A process that is started has all of it, before any layer hears of the process.
    module(bench, "opening.c", "opening.so", &[])?;
    let line = "vload insmod ./opening.so path=/vpipe; exec sh -c '(exit 3); echo $?'";
    let outcome = inside(bench, &["-m", "./pipe.so"], line)?;
    expect(&outcome, "opened\n3\n")
}

/// A file that lies in what one module has mounted is the source of what another mounts on the same place (UMView, section
/// 6.9): what a layer itself asks for is what was there before it.
fn under(bench: &Bench<'_>) -> Result<()> {
    module(bench, "under.c", "under.so", &[])?;
    let options = ["-m", "memfs", "-m", "./under.so"];
    let outcome = inside(
        bench,
        &options,
        "rm -rf here; mkdir here; here=$PWD/here; cd /; mount -t memfs none $here; echo below >$here/source; \
         mount -t under $here/source $here; cat $here/file; cat $here/source 2>/dev/null || echo covered; \
         echo more >>$here/file; umount $here; cat $here/source; umount $here; ls $here; echo over",
    )?;
    expect(&outcome, "below\ncovered\nbelow\nmore\nover\n")?;
    // One has another mount something while it is asked to mount itself: both are mounts, one on top of the other.
    let outcome = inside(
        bench,
        &options,
        "cd $PWD/here; here=$PWD; echo real >source; cd /; mount -t over /dev/null $here; ls -A $here/file; umount $here; \
         echo text >$here/file; ls $here; umount $here; ls $here; umount $here 2>/dev/null || echo over",
    )?;
    expect(&outcome, &format!("{}/file\nfile\nsource\nover\n", kept(bench).join("here").display()))
}

/// A thread that waits in a call of a service's finds no other layer's memory there, whatever is removed and loaded meanwhile in
/// its process, and what comes later is in the way of nothing.
fn stays(bench: &Bench<'_>) -> Result<()> {
    module(bench, "staying.c", "staying.so", &[])?;
    let outcome = inside(
        bench,
        &[],
        "rm -f pipe; mkfifo pipe; vload insmod ./staying.so at=/first mark=1 pipe=$PWD/pipe; \
         {1} pipe /first 'vload rmmod staying; vload insmod ./staying.so at=/second mark=2' \
           'vload insmod ./staying.so at=/third mark=3' /second /third /first; vload lsmod | wc -l",
    )?;
    expect(
        &outcome,
        "/second: its own\n/third: No such file or directory\n/first: No such file or directory\n\
         /first: its own\n/second: its own\n/third: its own\n/first: No such file or directory\n3\n",
    )
}

fn refused(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    let before = |name: &str, text: &str| -> Result<()> {
        let header = kept(bench).join(name).with_extension("h");
        fs::write(&header, text)?;
        module(bench, "parent.c", name, &["-include", &header.display().to_string()])
    };
    before(
        "version.so",
        "#include <vload/module.h>\n#undef VLOAD_VERSION\n#define VLOAD_VERSION 9\n",
    )?;
    before("symbol.so", "int nobody(void);\nint other(void) { return nobody(); }\n")?;
    // What the framework's own file has by such names is not offered to others.
    let header = kept(bench).join("auxv.h");
    fs::write(
        &header,
        "unsigned long getauxval(unsigned long);\nunsigned long has(void) { return getauxval(16); }\n",
    )?;
    module(bench, "pipe.c", "auxv.so", &["-include", &header.display().to_string()])?;
    fs::write(kept(bench).join("text.so"), "no ELF file")?;
    module(bench, "parent.c", "libc.so", &["-Wl,--no-as-needed", "-lc"])?;
    let cases: [(&str, &str); 14] = [
        ("./text.so", "it is no shared object for this processor"),
        ("./version.so", "version 9 of the interface; this vload has 1"),
        ("./libc.so", "it needs the library libc.so.6; link it with -nostdlib"),
        ("./symbol.so", "it needs 'nobody', which is not offered"),
        ("./auxv.so", "it needs 'getauxval', which is not offered"),
        ("/bin/sh", "it is a program, and no module"),
        ("./none.so", "No such file or directory"),
        ("count pages=3", "'count' has no argument 'pages'; it has: file"),
        ("count file=/no/such/folder/x", "count: /no/such/folder/x: No such file"),
        ("forward a=b", "'forward' has no argument 'a'; it takes none"),
        ("forward a", "'a' is not KEY=VALUE"),
        ("nothing", "there is no module 'nothing', nor 'nothing.so'"),
        ("./parent.so other=1", "it has no argument 'other'; it has: pid"),
        ("./parent.so pid", "'pid' is not KEY=VALUE"),
    ];
    for (words, said) in cases {
        let outcome = inside(bench, &[], &format!("vload insmod {words}; echo $?; parent 1"))?;
        expect(&outcome, "1\nreal\n").with_context(|| words.to_string())?;
        ensure!(outcome.error_text().contains(said), "{words}: {}", outcome.error_text());
    }
    let line =
        "vload insmod ./parent.so; vload insmod ./parent.so; echo $?; vload rmmod nobody; echo $?";
    let outcome = inside(bench, &[], line)?;
    expect(&outcome, "1\n1\n")?;
    let errors = outcome.error_text();
    ensure!(errors.contains("loaded already") && errors.contains("no such module"), "{errors}");
    Ok(())
}

fn outside(bench: &Bench<'_>) -> Result<()> {
    for words in [&["lsmod"][..], &["insmod", "x"], &["rmmod", "x"]] {
        let outcome = bench.vload_alone(words)?;
        let errors = outcome.error_text();
        ensure!(outcome.code() == Some(125) && errors.contains("not inside a session"), "{errors}");
    }
    Ok(())
}

/// `-m FILE`: the layer is there for the first call, above and below others as `-m` says, and across an exec.
fn begin(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    let older = ["-m", "./parent.so:pid=1717", "-m", "forward", "-m", "./parent.so"];
    expect(&inside(bench, &older, "parent 1; exec parent 2")?, "4242\n4242\n4242\n")?;
    let newer = ["-m", "./parent.so", "-m", "./parent.so:pid=1717"];
    expect(&inside(bench, &newer, "parent 1; vload rmmod parent; parent 1")?, "1717\n4242\n")?;
    let outcome = inside(bench, &["-m", "./none.so"], "echo no")?;
    ensure!(outcome.code() == Some(125) && outcome.stdout.is_empty(), "{}", outcome.error_text());
    Ok(())
}

/// A nested `vload` adds layers for its own descendants only.
fn views(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    let outcome = inside(
        bench,
        &[],
        "vload -m ./parent.so parent 1; parent 1; \
         vload -m ./parent.so sh -c 'parent 1; vload -m ./parent.so:pid=1717 parent 1; parent 1; \
         vload insmod ./parent.so pid=77; parent 1'; parent 1; \
         vload insmod ./parent.so; vload -m ./parent.so:pid=77 sh -c 'parent 1; vload rmmod parent; \
         parent 1; vload rmmod parent; echo $?'; vload parent 1; vload trace parent 1 2>&1 >/dev/null | grep -c getppid",
    )?;
    expect(&outcome, "4242\nreal\n4242\n1717\n4242\n77\nreal\n77\n4242\n1\n4242\n1\n")?;
    ensure!(outcome.error_text().contains("outside of this view"), "{}", outcome.error_text());
    Ok(())
}

/// A fault in a call of a module ends it with `EIO` and is said once, with the module's name; its locks are free
/// afterwards, and what was changed under them is as it was.
fn faults(bench: &Bench<'_>) -> Result<()> {
    module(bench, "faulty.c", "faulty.so", &[])?;
    for (how, told) in [
        ("null", "signal 11"),
        ("deep", "signal 11"),
        ("again", "signal 11"),
        ("jump", "signal 11"),
        ("copy", "signal 11"),
        ("panic", "it gave up"),
    ] {
        fault(bench, &format!("{}/faulty.so:how={how}", kept(bench).display()), told, "errno 5\n")?;
    }
    // Elsewhere a division gives 0, and a trap is that of a breakpoint, which is blocked.
    if matches!(bench.machine.arch, Arch::X86_64 | Arch::I686) {
        for (how, told) in [("trap", "signal 4"), ("zero", "signal 8")] {
            let layer = format!("{}/faulty.so:how={how}", kept(bench).display());
            fault(bench, &layer, told, "errno 5\n")?;
        }
    }
    for (how, told) in
        [("lock", "signal 11"), ("lock-deep", "signal 11"), ("lock-panic", "it gave up")]
    {
        fault(bench, &format!("{}/faulty.so:how={how}", kept(bench).display()), told, "77\n")?;
    }
    Ok(())
}

/// The first call of the layer's ends with `EIO`, and the second as `then` says.
fn fault(bench: &Bench<'_>, layer: &str, told: &str, then: &str) -> Result<()> {
    let outcome = bench.vload_in_mode(&["-m", layer, "{0}", "2"])?;
    expect(&outcome, &format!("errno 5\n{then}")).with_context(|| layer.to_string())?;
    let errors = outcome.error_text();
    ensure!(errors.contains("module faulty") && errors.contains(told), "{layer}: {errors}");
    ensure!(errors.matches("module faulty").count() == 1, "{layer}: {errors}");
    Ok(())
}

/// The same in Rust: what safe code panics for, calls without end, and a pointer that leads nowhere.
fn faults_in_rust(bench: &Bench<'_>) -> Result<()> {
    for (how, told) in [
        ("index", "index out of bounds"),
        ("unwrap", "called `Option::unwrap()` on a `None` value"),
        ("overflow", "a sum"),
        ("deep", "signal 11"),
        ("null", "signal 11"),
    ] {
        fault(bench, &format!("faulty_rust:how={how}"), told, "errno 5\n")?;
    }
    fault(bench, "faulty_rust:how=locked", "with a lock held", "77\n")
}

/// A module that faults in its `init` or `attach` is not loaded, one that does in its `fini` is not removed, and one that
/// does in an event has not heard it.
fn faults_elsewhere(bench: &Bench<'_>) -> Result<()> {
    module(bench, "faulty.c", "faulty.so", &[])?;
    let outcome = inside(
        bench,
        &[],
        "vload insmod ./faulty.so how=init; echo $?; parent 1; \
         vload insmod ./faulty.so how=start; echo $?; parent 1; \
         vload insmod ./faulty.so how=end; echo $?; parent 1; vload rmmod faulty; echo $?; parent 1; \
         vload insmod ./faulty.so how=event; (parent 1)",
    )?;
    expect(&outcome, "1\nreal\n1\nreal\n0\nreal\n1\nreal\nreal\n")?;
    let errors = outcome.error_text();
    for said in ["insmod: ./faulty.so: Input/output error", "rmmod: faulty: Input/output error"] {
        ensure!(errors.contains(said), "{errors}");
    }
    ensure!(errors.matches("module faulty: signal 11").count() >= 4, "{errors}");
    Ok(())
}

/// A fault in an operation of a service ends the call that it is of; all else goes on, by the same layer and others.
fn faults_of_services(bench: &Bench<'_>) -> Result<()> {
    module(bench, "faulty_service.c", "faulty.so", &[])?;
    let outcome = inside(
        bench,
        &["-m", "./faulty.so", "-m", "hello"],
        "for file in n d l s w none l w; do echo $file; cat /faulty/$file 2>errors; \
         grep -o 'cat: .*' errors; grep -o 'faulty-service: signal 11' errors; done; cat /hello",
    )?;
    let failed = |file: &str| {
        format!("{file}\ncat: /faulty/{file}: Input/output error\nfaulty-service: signal 11\n")
    };
    let failed = ["n", "d", "l", "s"].map(failed).concat();
    let none = "none\ncat: /faulty/none: No such file or directory\n";
    let again = "l\ncat: /faulty/l: Input/output error\nfaulty-service: signal 11\n";
    expect(&outcome, &format!("{failed}w\n0\n{none}{again}w\n0\nHello UMView!\n"))
}

/// Raw layers have any call by its number before all others: a negative one, one that no kernel knows, those that every
/// program makes; by each entry. The newest claim wins, and gives to the next layer down what it does not answer.
fn claims(bench: &Bench<'_>) -> Result<()> {
    for (name, options) in
        [("every.so", &[][..]), ("listed.so", &["-DLISTED"]), ("more.so", &["-DMORE"])]
    {
        module(bench, "claims.c", name, options)?;
    }
    let wide = bench.machine.arch == Arch::X86_64;
    let executes = matches!(bench.machine.arch, Arch::X86_64 | Arch::I686);
    for (layers, unknown, every) in [
        (&["every.so"][..], 9_000_000, true),
        (&["listed.so"], 9_000_000, false),
        (&["listed.so", "more.so"], 9_000_001, false),
        (&["more.so", "every.so"], 9_000_000, true),
        (&["every.so", "more.so"], 9_000_001, true),
    ] {
        let files = layers.iter().map(|name| format!("{}/{name}", kept(bench).display()));
        let files: Vec<String> = files.collect();
        let mut words: Vec<&str> = files.iter().flat_map(|file| ["-m", file]).collect();
        words.push("{0}");
        // qemu has no programs of the processor's executed.
        words.extend(executes.then_some("{0}"));
        let outcome = bench.vload_in_mode(&words)?;
        let entries = match (wide, every) {
            (false, _) => "",
            (true, false) => {
                "int 0x80: real\nanother by int 0x80: real\nx32: ENOSYS\nanother by x32: ENOSYS\n"
            }
            (true, true) => {
                "int 0x80: 9000020\nanother by int 0x80: real\nx32: 9000039\nanother by x32: ENOSYS\n"
            }
        };
        let expected = format!(
            "-1: 9009999\n-2: ENOSYS\nunknown: {unknown}\ngetppid: real\nmmap: ENOMEM\n\
             mmap of another length: real\n{entries}{}",
            if executes { "executed again\nthe child: 0\n" } else { "" }
        );
        expect(&outcome, &expected).with_context(|| layers.join(", "))?;
        ensure!(outcome.code() == Some(17), "{layers:?}: {}", outcome.end);
    }
    Ok(())
}

/// What a module's code changes of the vector state is as it was after the call, in a thread that a signal has found
/// in the code and in the signal's frame; and is kept only for images that change it.
fn vectors(bench: &Bench<'_>) -> Result<()> {
    let processor = fs::read_to_string("/proc/cpuinfo")?;
    let has = |flag: &str| processor.split_whitespace().any(|word| word == flag);
    let avx512 = ["avx", "avx512-masks", "avx512-high", "avx512-more"];
    let cases: [(&str, &str, &[&str], &[&str]); 7] = [
        ("bare", "", &[], &[]),
        ("computes", "sse2", &["-DCOMPUTES", "-msse2", "-mfpmath=sse"], &["mxcsr"]),
        ("x87", "fpu", &["-DX87"], &["x87"]),
        ("mmx", "mmx", &["-DMMX"], &["x87"]),
        ("avx", "avx", &["-DAVX"], &["avx", "avx512-high"]),
        ("avx512", "avx512f", &["-DAVX512"], &avx512),
        ("both", "avx", &["-DAVX", "-DX87"], &["x87", "avx", "avx512-high"]),
    ];
    for (name, flag, options, keeps) in cases {
        if !flag.is_empty() && !has(flag) {
            continue;
        }
        let file = format!("{name}.so");
        module(bench, "vectors.c", &file, options)?;
        let layer = format!("{}/{file}", kept(bench).display());
        let outcome = bench.vload_alone(&["-m", &layer, "{0}", "signal"])?;
        expect(
            &outcome,
            "answered: 0\nafter the call: kept\nafter the signal: kept\nin its frame: kept\n",
        )
        .with_context(|| name.to_string())?;
        if bench.machine.arch != Arch::X86_64 {
            // The shell is for another word size.
            continue;
        }
        inside(bench, &["-m", &layer], "vload lsmod --json >list")?;
        let list: serde_json::Value = serde_json::from_slice(&fs::read(kept(bench).join("list"))?)?;
        ensure!(list[0]["keeps"] == serde_json::json!(keeps), "{name}: {list}");
    }
    Ok(())
}

/// The file can be replaced or deleted while the module is loaded: also processes that map it later have the old one.
fn replaced(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    let outcome = inside(
        bench,
        &[],
        "vload insmod ./parent.so; echo broken >parent.so; parent 1; rm parent.so; parent 1; \
         sh -c 'parent 1'; vload rmmod parent; parent 1",
    )?;
    expect(&outcome, "4242\n4242\n4242\nreal\n")
}

/// Processes that load and unload at the same time agree: of eight one loads, and one removes.
fn at_once(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    let outcome = inside(
        bench,
        &[],
        "for round in 1 2 3; do \
           for one in 1 2 3 4 5 6 7 8; do (vload insmod ./parent.so 2>/dev/null && echo loaded) & done; wait; parent 1; \
           for one in 1 2 3 4 5 6 7 8; do (vload rmmod parent 2>/dev/null && echo removed) & done; wait; parent 1; \
         done; vload lsmod | tail -n +2",
    )?;
    expect(&outcome, &"loaded\n4242\nremoved\nreal\n".repeat(3))
}

/// The two-call table of VKern.
fn table(bench: &Bench<'_>) -> Result<()> {
    let program = bench.word("{0}");
    let outcome = bench.vload_in_mode(&["-m", "table", &program])?;
    let native = "Hola VKern!\nno getpid\nno -2\n";
    let both = "This syscall is managed by vkern\nno getpid either\n";
    let wide = bench.machine.arch == Arch::X86_64;
    expect(&outcome, &format!("{}{both}", if wide { native } else { "" }))?;
    ensure!(outcome.success(), "{:?}", outcome.end);
    let errors = outcome.error_text();
    ensure!(!wide || errors.contains("table: there is no call 39\n"), "{errors}");
    ensure!(!wide || errors.contains("table: there is no call -2\n"), "{errors}");
    ensure!(errors.contains("table: there is no call 20"), "{errors}");
    Ok(())
}
