//! From the kernel's stack to a decision: a command line, or a program that a vload before us was
//! asked to execute.

use runtime::layer::modules;
use runtime::layer::raw::Event;
use runtime::process::{self, OPTIONS, PRIVATE_ARGUMENTS, Resumed};
use runtime::view::OWN;
use runtime::{layer, session, sys};

use crate::client::{self, Where};
use crate::command::{self, Command};
use crate::find;
use crate::handover::{self, Target};
use crate::message::{NOT_EXECUTABLE, Shown, USAGE, fail};
use crate::natively;
use crate::output;
use crate::summary;
use crate::vectors::Vectors;

/// What is asked, by a person or by the vload before us.
pub fn decide(vectors: Vectors) -> ! {
    match vectors.arg(1).and_then(|argument| Resumed::read(argument.to_bytes())) {
        Some(resumed) if vectors.argv.len() >= PRIVATE_ARGUMENTS => resume(vectors, resumed),
        _ => begin(vectors),
    }
}

/// A person's command line.
fn begin(vectors: Vectors) -> ! {
    let run = match command::parse(&vectors) {
        Command::Run(run) => run,
        // Both look at the machine as it is without us.
        Command::Bisect(_) | Command::Doctor { .. }
            if client::place(&vectors) != Where::Outside =>
        {
            client::leave(&vectors)
        }
        Command::Bisect(_) | Command::Check(_) | Command::Doctor { .. } => {
            client::become_tool(&vectors, &[], 1)
        }
        Command::Module(first) => client::become_tool(&vectors, &[b"--ask"], first),
        Command::Say(text) => {
            let shown = sys::write_all(1, text.as_bytes());
            sys::exit(i32::from(shown.is_err()));
        }
        Command::Wrong(message) => fail(USAGE, format_args!("{message}\nTry 'vload --help'.")),
    };
    client::settle(&vectors, &run);
    output::open_own(&vectors, run.trial);
    output::find_cache(&vectors);
    if let Some(path) = run.log {
        output::open_log(path);
    }
    if let Some(mode) = run.trace {
        output::open_trace(run.trace_file, mode);
    }
    process::configure();
    put_layers(true);
    client::load(&run);
    layer::ring::begin_session();
    let (path, fd) = find::program(&vectors, run.program);
    let fd = match fd {
        Some(fd) => fd,
        None => find::open(&path),
    };
    let argv = &vectors.argv[run.first..];
    if is_plain(path.to_bytes()) {
        natively::natively(&path, argv, &vectors);
    }
    summary::with_parent(run.trace == Some(command::Trace::Counts));
    handover::tell(Event::Begin);
    handover::run(Target {
        vectors,
        argv,
        envp: vectors.envp,
        execfn: &path,
        shown: [c""; 2],
        fd,
        inaccessible: false,
        resumed: false,
    })
}

fn is_plain(path: &[u8]) -> bool {
    let base = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    OPTIONS.values("plain").any(|name| name == path || name == base)
}

/// The layers that the options ask for; `new` if the session begins with this process.
fn put_layers(new: bool) {
    if let Err((module, error)) = modules::put(new) {
        fail(
            if new { USAGE } else { NOT_EXECUTABLE },
            format_args!("module '{module}' cannot be put in place: {}", error.text()),
        );
    }
}

/// Another vload executed us in place of the target.
fn resume(vectors: Vectors, resumed: Resumed) -> ! {
    for (slot, fd) in OWN.handed_on().into_iter().zip(resumed.own) {
        slot.set(fd);
    }
    let options = vectors.arg(2).map_or(&b""[..], core::ffi::CStr::to_bytes);
    // SAFETY: one thread, and the target has not run.
    let taken = unsafe { OPTIONS.take(options) };
    if !taken || (resumed.own[1] >= 0 && session::join(resumed.own[1]).is_err()) {
        fail(NOT_EXECUTABLE, format_args!("not started by a vload of this version"));
    }
    session::set_view(session::ViewId(resumed.view));
    take_filters(&vectors);
    process::configure();
    put_layers(false);
    if resumed.many {
        layer::many_processes();
    }
    layer::ring::begin_resumed(resumed.rings);
    let execfn = vectors.arg(3).unwrap_or(c"");
    let (argv, envp) = if resumed.spilled >= 0 {
        match output::read_spilled(resumed.spilled) {
            Ok(vectors) => vectors,
            Err(error) => fail(
                NOT_EXECUTABLE,
                format_args!(
                    "{}: the argument vector is lost: {}",
                    Shown(execfn.to_bytes()),
                    error.text()
                ),
            ),
        }
    } else {
        (&vectors.argv[PRIVATE_ARGUMENTS..], vectors.envp)
    };
    let fd = if resumed.program >= 0 { resumed.program } else { find::open(execfn) };
    if resumed.number != Resumed::NOT_A_CALL {
        runtime::module::executed();
        let (number, arguments) = (resumed.number as usize, resumed.arguments);
        handover::tell(Event::Exec { number, arguments });
    }
    handover::run(Target {
        vectors,
        argv,
        envp,
        execfn,
        shown: [5, 6].map(|index| vectors.arg(index).unwrap_or(c"")),
        fd,
        inaccessible: resumed.inaccessible,
        resumed: true,
    })
}

/// The filters of the process that executed us: from here on no call is made that they forbid.
fn take_filters(vectors: &Vectors) {
    let text = vectors.arg(4).map_or(&b""[..], core::ffi::CStr::to_bytes);
    if text.is_empty() {
        return;
    }
    let block = handover::first_block();
    // SAFETY: the block is the one we run on, and this the only thread.
    let taken = unsafe {
        runtime::arch::bind_thread_block(block).and_then(|()| runtime::seccomp::take(&*block, text))
    };
    if let Err(error) = taken {
        fail(NOT_EXECUTABLE, format_args!("the seccomp filters are lost: {}", error.text()));
    }
}
