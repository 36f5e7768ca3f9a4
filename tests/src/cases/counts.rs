//! Programs whose calls are counted by strace and by vload.

use crate::case::{Case, Rule};
use crate::programs::Build;

/// What threads of node and java do when they end, and what their memory asks for.
const COMPILERS: Rule = Rule::Varies(&[
    "brk",
    "epoll_ctl",
    "epoll_pwait",
    "gettid",
    "madvise",
    "mmap",
    "mprotect",
    "munmap",
    "read",
    "rt_sigprocmask",
]);

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| Case::new(format!("count/{name}")).counted();
    let program = |name: &str, build| case(name).build(build);
    // Most calls are made by code that the packed program has made itself.
    let packed = |name, build| {
        program(name, Build::packer())
            .build(build)
            .prepare("{0} pack {1} packed")
            .run(&["./packed"])
            .not_under(&["deny-user-dispatch"])
    };
    let static_c = |source| Build::c_with(source, "static", &["-static"]);
    vec![
        case("true").run(&["/bin/true"]),
        case("ls").run(&["ls", "-l", "/usr/bin"]),
        case("python").needs_program("python3").run(&["python3", "-c", "import json"]),
        program("static", static_c("hello.c")),
        program("musl-static", Build::musl("hello.c", "musl-static", &["-static"])),
        program("musl", Build::musl("hello.c", "musl", &[])),
        program("go", Build::go("hello.go"))
            // A slow machine makes the scheduler interrupt threads by signals.
            .variable("GODEBUG", "asyncpreemptoff=1")
            .rule(Rule::Unsteady),
        program("inline", Build::c("raw.c")),
        program("inline-static", static_c("raw.c")),
        program("unknown-numbers", Build::c("unknown.c")),
        packed("packed", Build::c("target.c")),
        packed("packed-static", static_c("target.c")),
        program("handler", Build::c("handler.c")),
        program("threads", Build::c("threads.c")),
        program("threads-static", static_c("threads.c")),
        program("children", Build::c("spawn.c")),
        program("vforks", Build::c("vforks.c")),
        program("clocks", Build::c("clocks.c")),
        case("dash").needs_program("dash").run(&[
            "dash",
            "-c",
            "for i in 1 2 3 4 5; do /bin/true; done",
        ]),
        case("bash").run(&["bash", "-c", "for i in 1 2 3; do /bin/true; done; echo $(echo x)"]),
        case("python-threads")
            .needs_program("python3")
            // How many arenas malloc makes depends on how often threads meet in it.
            .variable("MALLOC_ARENA_MAX", "1")
            .rule(Rule::Unsteady)
            .run(&["python3", "{programs}/threads.py"]),
        // Compilers of code that is made as it runs, with as few threads beside it as they can do with.
        case("node").needs_program("node").rule(Rule::Unsteady).rule(COMPILERS).seconds(120).run(
            &[
                "node",
                "--single-threaded",
                "-e",
                "let t = 0; for (let i = 0; i < 3e6; i++) t += i % 7; \
             require('fs').readFileSync('/etc/passwd'); \
             const child = require('child_process').spawnSync('/bin/echo', ['x']); \
             console.log(t, child.stdout.length)",
            ],
        ),
        case("java")
            .needs_program("javac")
            .rule(Rule::Unsteady)
            .rule(COMPILERS)
            .seconds(120)
            .prepare(
                "[ {work}/java/Compiled.class -nt {programs}/Compiled.java ] || \
                 javac -d {work}/java {programs}/Compiled.java",
            )
            .run(&[
                "java",
                "-Xmx64m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xbatch",
                "-XX:-UsePerfData",
                // It looks at its group's limits as often as time passes.
                "-XX:-UseContainerSupport",
                "-cp",
                "{work}/java",
                "Compiled",
            ]),
        case("script").given("script", 0o755, "#!/bin/sh\necho $1\n").run(&["./script", "x"]),
    ]
}
