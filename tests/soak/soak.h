/* A soak: random work on processes, threads and signals, each piece of which knows what must come of it.
 * Whatever comes otherwise is a finding. */
#ifndef SOAK_H
#define SOAK_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 3

/* What all processes share, in a file that execs inherit. */
struct shared {
    atomic_ulong started;    /* processes that were started */
    atomic_ulong execs;      /* programs that began, as they say themselves */
    atomic_ulong doomed;     /* execs begun by processes that may have been killed on the way */
    atomic_ulong kills;      /* processes that were killed at some instruction */
    atomic_ulong signals;    /* queued signals that arrived */
    atomic_ulong threads;    /* threads that ran */
    atomic_int findings;
    struct {
        atomic_ulong rounds;
        atomic_int action;
    } worker[WORKERS];
    uint64_t seed;
    double end;
    pid_t main; /* who watches the workers */
    int spoil;
};

/* The faults that can be put in on purpose, to see that the checker finds them. */
enum spoil { NONE, LOST_SIGNAL, DOUBLED_SIGNAL, WRONG_STATUS, ZOMBIE, DESCRIPTOR, MEMORY, MAPPINGS, HANG, UNCOUNTED, SPOILS };

extern struct shared *shared;
extern int shared_fd, worker;
extern int warming; /* do as much as will ever be done at a time */
extern const char *self; /* this program's path */

struct action {
    const char *name;
    void (*run)(void);
};
extern const struct action actions[];
extern const int action_count;

/* Says what was found, and ends the process. */
_Noreturn void finding(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define MUST(condition) \
    do { \
        if (!(condition)) \
            finding("%s:%d: %s (errno %d)", __FILE__, __LINE__, #condition, errno); \
    } while (0)

uint64_t rng(void);
/* From low up to high, both included. */
int between(int low, int high);
/* True for one in n. */
int one_in(int n);
void reseed(uint64_t seed);
double now(void);
/* Whether the fault is asked for; true for one round in some. */
int spoils(enum spoil which);

/* Notes a process that the caller has started; gives back its number. */
pid_t started(pid_t pid);
/* Waits for the process, and gives its status. */
int status_of(pid_t pid);
/* Makes some calls whose results are known. */
void calls(int count);
/* Executes this program anew; `kind` and `words` are what it is to do. */
int execute(const char *kind, const char *word);

/* checks.c: what must be as it was before. */
struct state {
    int descriptors, mappings;
    long resident; /* KiB */
};
void look(struct state *state);
void compare(const struct state *before, const struct state *after);

/* child.c: what an executed program does. */
int child_main(int argc, char **argv);

void do_fork(void), do_vfork(void), do_spawn(void), do_clone(void), do_sigchld(void), do_exec_chain(void);
void do_exec_thread(void), do_kill(void), do_descriptors(void);
void do_queue(void), do_queue_threads(void), do_ping(void), do_suspend(void), do_timer(void), do_jump(void);
void do_threads(void), do_detached(void), do_dlopen(void), do_mappings(void);
#endif
