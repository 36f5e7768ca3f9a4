/* Signals that wait together, sent to the thread and to the process, with values and without, and let
   through by one call, all or some: which handler runs when, and what it is shown. */
#include "check.h"
#include <poll.h>
#include <ucontext.h>

enum { MOST = 6 };
static const int kinds[] = {SIGUSR1, SIGUSR2, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, 34, 35};
enum { KINDS = sizeof kinds / sizeof *kinds };

static char text[4096];
static volatile int used;
static sigset_t none, all, some;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)context;
    used += snprintf(text + used, sizeof text - used, "(%d", signal);
    if (info->si_code == SI_QUEUE)
        used += snprintf(text + used, sizeof text - used, "=%d", info->si_value.sival_int);
    else
        used += snprintf(text + used, sizeof text - used, "%s", info->si_code == SI_TKILL ? "t" : "p");
    close(-1);
    used += snprintf(text + used, sizeof text - used, ")");
}

/* Sets the mask of what it interrupts. */
static void opener(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    ((ucontext_t *)context)->uc_sigmask = some;
}

static void send(int signal, int how, int value)
{
    siginfo_t info = {.si_signo = signal, .si_code = SI_QUEUE};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = value;
    switch (how) {
    case 0: syscall(SYS_tgkill, getpid(), getpid(), signal); break;
    case 1: kill(getpid(), signal); break;
    case 2: syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), signal, &info); break;
    case 3: syscall(SYS_rt_sigqueueinfo, getpid(), signal, &info); break;
    }
}

static void let_through(int how)
{
    static const struct timespec zero;
    siginfo_t info;
    switch (how) {
    case 0: sigprocmask(SIG_SETMASK, &some, NULL); break;
    case 1: sigsuspend(&none); break;
    case 2: ppoll(NULL, 0, &zero, &some); break;
    case 3: syscall(SYS_tgkill, getpid(), getpid(), SIGHUP); break;
    case 4:
        while (sigtimedwait(&some, &info, &zero) > 0)
            handler(info.si_signo, &info, NULL);
        break;
    }
}

int main(void)
{
    static const char *const ways[] = {"sigprocmask", "sigsuspend", "ppoll", "sigreturn",
                                       "sigtimedwait"};
    unsigned random = 1;
    sigfillset(&all);
    sigdelset(&all, SIGHUP);
    struct sigaction open = {.sa_sigaction = opener, .sa_flags = SA_SIGINFO};
    sigfillset(&open.sa_mask);
    MUST(sigaction(SIGHUP, &open, NULL));
    for (int round = 0; round < 400; round++) {
        int flags = SA_SIGINFO | (round & 1 ? SA_RESTART : 0) | (round & 2 ? SA_NODEFER : 0);
        for (int i = 0; i < KINDS; i++) {
            struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags};
            if (round & 4)
                sigfillset(&action.sa_mask);
            MUST(sigaction(kinds[i], &action, NULL));
        }
        sigemptyset(&some);
        for (int i = 0; i < KINDS; i++) {
            random = random * 1103515245 + 12345;
            if (random >> 28 & 1)
                sigaddset(&some, kinds[i]);
        }
        sigprocmask(SIG_SETMASK, &all, NULL);
        used = 0;
        used += snprintf(text, sizeof text, "%s:", ways[round / 8 % 5]);
        int count = 1 + round % MOST;
        for (int i = 0; i < count; i++) {
            random = random * 1103515245 + 12345;
            int signal = kinds[(random >> 16) % KINDS];
            int how = random >> 28 & 3;
            /* Of what pthread_sigqueue has sent nobody can tell to whom (docs/limits.md). */
            if (how == 2 && !(signal == SIGUSR1 || signal == SIGUSR2 || signal >= 34))
                how = 0;
            used += snprintf(text + used, sizeof text - used, " %d%c", signal, "tpTP"[how]);
            send(signal, how, i);
        }
        used += snprintf(text + used, sizeof text - used, " -> ");
        let_through(round / 8 % 5);
        sigset_t left;
        sigpending(&left);
        used += snprintf(text + used, sizeof text - used, ", then");
        for (int i = 0; i < KINDS; i++)
            if (sigismember(&left, kinds[i]))
                used += snprintf(text + used, sizeof text - used, " %d", kinds[i]);
        used += snprintf(text + used, sizeof text - used, " ");
        sigprocmask(SIG_SETMASK, &none, NULL);
        puts(text);
    }
    return 0;
}
