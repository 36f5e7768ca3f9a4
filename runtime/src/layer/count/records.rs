//! One record for each thread of each program, in the session's memory.

use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Threads that have a record of their own.
const RECORDS: usize = 1 << 17;

/// How the life that a record is about began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// The session's first program.
    First = 1,
    /// A process that another has started.
    Fork = 2,
    /// A program that a process has executed.
    Exec = 3,
    /// A thread of one of the others.
    Thread = 4,
    /// A process that ran before anything was counted.
    Found = 5,
}

impl Kind {
    fn of(word: u32) -> Option<Self> {
        [Self::First, Self::Fork, Self::Exec, Self::Thread, Self::Found]
            .into_iter()
            .find(|&kind| kind as u32 == word)
    }

    /// How a table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Fork => "fork",
            Self::Exec => "exec",
            Self::Thread => "thread",
            Self::Found => "found",
        }
    }
}

/// All records of a session. All zero bytes are none. It holds no pointers, and its layout is the same
/// for every word size.
#[repr(C)]
pub struct Records {
    /// Records that have been asked for: more than there are, when some found no room.
    used: AtomicU64,
    rest: Rest,
    records: [Record; RECORDS],
}

/// What those have done together that found no room.
#[repr(C)]
struct Rest {
    processes: AtomicU64,
    execs: AtomicU64,
    threads: AtomicU64,
    started: AtomicU64,
    calls: AtomicU64,
}

/// What [`Rest`] holds, at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unrecorded {
    /// Processes.
    pub processes: u64,
    /// Programs that a process has executed.
    pub execs: u64,
    /// Threads, first ones included.
    pub threads: u64,
    /// Processes that they have started.
    pub started: u64,
    /// Their calls.
    pub calls: u64,
}

/// What one thread of one program has done. A thread writes its own record, but for `calls` in a
/// thread that is being started: that record is not there before it is complete.
#[repr(C)]
struct Record {
    kind: AtomicU32,
    tid: AtomicU32,
    /// The record of the process, plus one; a process's own is its own.
    process: AtomicU32,
    /// The program's place in the session's table, plus one; 0 when it is not known.
    program: AtomicU32,
    /// Processes that it has started.
    started: AtomicU32,
    _pad: u32,
    calls: AtomicU64,
}

const _: () = assert!(size_of::<Record>() == 32);

/// What a record holds, at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// How it began.
    pub kind: Kind,
    /// The thread's number.
    pub tid: u32,
    /// The index of its process's record.
    pub process: usize,
    /// The program's place in the session's table.
    pub program: Option<u32>,
    /// Processes that it has started.
    pub started: u32,
    /// Calls that it has made.
    pub calls: u64,
}

impl Record {
    /// What is known stays.
    fn set_program(&self, program: Option<u32>) {
        if let Some(place) = program
            && self.program.load(Ordering::Relaxed) == 0
        {
            self.program.store(place + 1, Ordering::Relaxed);
        }
    }
}

impl Records {
    fn get(&self, word: usize) -> Option<&Record> {
        self.records.get(word.checked_sub(1)?)
    }

    /// Begins a record; `from` is the word of the thread that has started this one. Gives the word
    /// by which the thread finds its record.
    pub fn begin(&self, kind: Kind, tid: i32, from: usize) -> usize {
        let Some((word, record)) = self.next() else { return self.without_record(kind) };
        let starter = self.get(from);
        let inherited = |field: fn(&Record) -> &AtomicU32| {
            starter.map_or(0, |starter| field(starter).load(Ordering::Relaxed))
        };
        let process = match kind {
            Kind::Thread => inherited(|record| &record.process),
            _ => word as u32,
        };
        record.tid.store(tid as u32, Ordering::Relaxed);
        record.process.store(process, Ordering::Relaxed);
        record.program.store(inherited(|record| &record.program), Ordering::Relaxed);
        record.kind.store(kind as u32, Ordering::Release);
        word
    }

    /// The next free record.
    fn next(&self) -> Option<(usize, &Record)> {
        let index = self.used.fetch_add(1, Ordering::Relaxed) as usize;
        self.records.get(index).map(|record| (index + 1, record))
    }

    /// Counts one with the rest for which there is no record, and gives the word that it has.
    fn without_record(&self, kind: Kind) -> usize {
        let one = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        one(&self.rest.threads);
        match kind {
            Kind::First | Kind::Fork | Kind::Found => one(&self.rest.processes),
            Kind::Exec => one(&self.rest.execs),
            Kind::Thread => 0,
        };
        RECORDS + 1
    }

    /// Begins the record of a thread that nobody has begun one for. `first` has the word of the first such thread of the
    /// memory that the process has, which another process may share; of one without a record, the process's number behind all
    /// words.
    pub fn find(&self, process: i32, tid: i32, first: &AtomicUsize) -> usize {
        let is_ours = |word: usize| {
            self.get(word)
                .is_some_and(|record| record.tid.load(Ordering::Relaxed) == process as u32)
        };
        let Some((word, record)) = self.next() else {
            let word = RECORDS + process as usize;
            let kind = match first.compare_exchange(0, word, Ordering::AcqRel, Ordering::Acquire) {
                Err(known) if known == word || is_ours(known) => Kind::Thread,
                _ => Kind::Found,
            };
            return self.without_record(kind);
        };
        record.tid.store(process as u32, Ordering::Relaxed);
        // Two threads may come at once.
        let known = match first.compare_exchange(0, word, Ordering::AcqRel, Ordering::Acquire) {
            Err(known) if is_ours(known) => known,
            _ => word,
        };
        let kind = if known == word { Kind::Found } else { Kind::Thread };
        if kind == Kind::Thread {
            record.tid.store(tid as u32, Ordering::Relaxed);
        }
        record.process.store(known as u32, Ordering::Relaxed);
        record.kind.store(kind as u32, Ordering::Release);
        word
    }

    /// A call of the thread with this word, which runs the program at `program`.
    pub fn count(&self, word: usize, program: Option<u32>) {
        let Some(record) = self.get(word) else {
            self.rest.calls.fetch_add(1, Ordering::Relaxed);
            return;
        };
        record.calls.fetch_add(1, Ordering::Relaxed);
        record.set_program(program);
    }

    /// The program at `program` begins, in the thread with this word.
    pub fn enter(&self, word: usize, program: Option<u32>) {
        if let Some(record) = self.get(word) {
            record.set_program(program);
        }
    }

    /// The call was not made: it comes again.
    pub fn take_back(&self, word: usize) {
        let calls = self.get(word).map_or(&self.rest.calls, |record| &record.calls);
        calls.fetch_sub(1, Ordering::Relaxed);
    }

    /// The thread with this word has started a process.
    pub fn started(&self, word: usize) {
        match self.get(word) {
            Some(record) => drop(record.started.fetch_add(1, Ordering::Relaxed)),
            None => drop(self.rest.started.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// All records, in the order in which they began, each with its index.
    pub fn all(&self) -> impl Iterator<Item = (usize, Recorded)> {
        let used = (self.used.load(Ordering::Acquire) as usize).min(RECORDS);
        self.records[..used].iter().enumerate().filter_map(|(index, record)| {
            // Who is killed before its record is complete has made no call.
            let kind = Kind::of(record.kind.load(Ordering::Acquire))?;
            let process = record.process.load(Ordering::Relaxed);
            let recorded = Recorded {
                kind,
                tid: record.tid.load(Ordering::Relaxed),
                process: process.checked_sub(1).map_or(index, |at| at as usize),
                program: record.program.load(Ordering::Relaxed).checked_sub(1),
                started: record.started.load(Ordering::Relaxed),
                calls: record.calls.load(Ordering::Relaxed),
            };
            Some((index, recorded))
        })
    }

    /// What those have done together that have no record.
    pub fn rest(&self) -> Unrecorded {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Unrecorded {
            processes: read(&self.rest.processes),
            execs: read(&self.rest.execs),
            threads: read(&self.rest.threads),
            started: read(&self.rest.started),
            calls: read(&self.rest.calls),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    fn none() -> Box<Records> {
        // SAFETY: all zero bytes are no records.
        unsafe { Box::<Records>::new_zeroed().assume_init() }
    }

    #[test]
    fn each_thread_has_its_own() {
        let records = none();
        let first = records.begin(Kind::First, 10, 0);
        records.count(first, Some(3));
        records.started(first);
        let child = records.begin(Kind::Fork, 11, first);
        let thread = records.begin(Kind::Thread, 12, child);
        records.count(thread, Some(4));
        records.count(thread, Some(4));
        records.take_back(thread);
        let seen: Vec<_> = records.all().map(|(_, recorded)| recorded).collect();
        let recorded = |kind, tid, process, started, calls| Recorded {
            kind,
            tid,
            process,
            program: Some(3),
            started,
            calls,
        };
        assert_eq!(
            seen,
            [
                recorded(Kind::First, 10, 0, 1, 1),
                recorded(Kind::Fork, 11, 1, 0, 0),
                recorded(Kind::Thread, 12, 1, 0, 1),
            ]
        );
    }

    #[test]
    fn threads_that_are_found_are_their_process_s() {
        let (records, first) = (none(), AtomicUsize::new(0));
        let words = [(20, 22), (20, 21), (30, 30), (20, 20)]
            .map(|(process, tid)| records.find(process, tid, &first));
        assert_eq!(words, [1, 2, 3, 4]);
        let seen: Vec<_> = records.all().map(|(_, one)| (one.kind, one.tid, one.process)).collect();
        // The third shares the memory, and is another process.
        let expected = [
            (Kind::Found, 20, 0),
            (Kind::Thread, 21, 0),
            (Kind::Found, 30, 2),
            (Kind::Thread, 20, 0),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_finds_no_room_is_counted_together() {
        let records = none();
        records.used.store(RECORDS as u64 - 1, Ordering::Relaxed);
        let last = records.begin(Kind::First, 1, 0);
        assert_eq!(last, RECORDS);
        let beyond = records.begin(Kind::Fork, 2, last);
        records.count(beyond, None);
        records.started(beyond);
        records.begin(Kind::Thread, 3, beyond);
        records.begin(Kind::Exec, 2, 0);
        let rest = Unrecorded { processes: 1, execs: 1, threads: 3, started: 1, calls: 1 };
        assert_eq!(records.rest(), rest);
        assert_eq!(records.all().count(), 1);
    }

    #[test]
    fn threads_that_find_no_room_are_no_processes() {
        let (records, first) = (none(), AtomicUsize::new(0));
        records.used.store(RECORDS as u64 - 1, Ordering::Relaxed);
        let other = AtomicUsize::new(0);
        // The first process has a record, the second none.
        for (process, tid, first) in [(20, 20, &other), (20, 21, &other), (30, 31, &first)] {
            records.find(process, tid, first);
        }
        let words = [(30, 30), (30, 32)].map(|(process, tid)| records.find(process, tid, &first));
        assert_eq!(words, [RECORDS + 1; 2]);
        let rest = Unrecorded { processes: 1, execs: 0, threads: 4, started: 0, calls: 0 };
        assert_eq!(records.rest(), rest);
    }
}
