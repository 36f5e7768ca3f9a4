//! What is run, suite by suite.

mod adopt;
mod authors;
mod bisect;
mod built_in;
mod calls;
mod check;
mod claims;
mod confined;
mod counts;
mod debuggers;
mod doctor;
mod edges;
mod epochs;
mod erring;
mod exec;
mod i686;
mod identity;
mod layers;
mod library;
mod modules;
mod mounts;
mod options;
pub(crate) mod programs;
pub(crate) mod servers;
mod service;
mod session;
mod shared;
mod signals;
mod stack;
mod text;
mod trace;
mod tutorial;
mod vdso;
mod watch;

use crate::case::Case;
use crate::host;

/// Every case.
pub fn all() -> Vec<Case> {
    let suites: Vec<fn() -> Vec<Case>> = vec![
        stack::cases,
        identity::cases,
        calls::cases,
        signals::cases,
        edges::cases,
        erring::cases,
        exec::cases,
        i686::cases,
        confined::cases,
        built_in::cases,
        modules::cases,
        claims::cases,
        epochs::cases,
        counts::cases,
        debuggers::cases,
        options::cases,
        check::cases,
        doctor::cases,
        text::cases,
        bisect::cases,
        trace::cases,
        watch::cases,
        layers::cases,
        vdso::cases,
        adopt::cases,
        programs::cases,
        servers::cases,
        service::cases,
        library::cases,
        mounts::cases,
        authors::cases,
        tutorial::cases,
        session::cases,
        shared::cases,
        host::cases,
    ];
    suites.into_iter().flat_map(|suite| suite()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn every_name_is_there_once() {
        let cases = super::all();
        let names: HashSet<_> = cases.iter().map(|case| &case.name).collect();
        assert_eq!(names.len(), cases.len());
        assert!(cases.iter().all(|case| case.name.contains('/')), "a name has a suite");
    }
}
