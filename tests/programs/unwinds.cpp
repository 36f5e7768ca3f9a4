// What a handler finds when it looks who called, and exceptions that it throws: through the signal frame, out of
// faults, calls that block and calls that send.
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <execinfo.h>
#include <initializer_list>
#include <poll.h>
#include <sys/time.h>
#include <unistd.h>
#include <unwind.h>

static volatile int throws, handled;

extern "C" {
__attribute__((noinline)) void outermost(int how);
__attribute__((noinline)) void middle(int how);
__attribute__((noinline)) void innermost(int how);
void handler(int signal);
}

static void name(void *pc)
{
    Dl_info info;
    if (dladdr(pc, &info) && info.dli_sname)
        for (const char *one : {"handler", "innermost", "middle", "outermost", "main"})
            if (std::strcmp(one, info.dli_sname) == 0)
                std::printf(" %s", one);
}

// The functions of this program, and where a frame says that it was interrupted and made no call.
static _Unwind_Reason_Code step(_Unwind_Context *context, void *)
{
    int interrupted = 0;
    void *pc = reinterpret_cast<void *>(_Unwind_GetIPInfo(context, &interrupted));
    if (interrupted)
        std::printf(" |");
    name(pc);
    return _URC_NO_REASON;
}

void handler(int signal)
{
    handled++;
    if (throws)
        throw signal;
    void *all[64];
    int count = backtrace(all, 64);
    std::printf("backtrace:");
    for (int index = 0; index < count; index++)
        name(all[index]);
    std::printf("\nunwinder:");
    _Unwind_Backtrace(step, nullptr);
    std::puts("");
}

void innermost(int how)
{
    itimerval soon = {};
    soon.it_value.tv_usec = 1000;
    switch (how) {
    case 0: raise(SIGUSR1); break;
    case 1: kill(getpid(), SIGUSR1); break;
    case 2:
        // The signal may come before the call does.
        handled = 0;
        setitimer(ITIMER_REAL, &soon, nullptr);
        while (!handled)
            poll(nullptr, 0, 10000);
        break;
    case 3: __builtin_trap();
    case 4: *reinterpret_cast<volatile int *>(8) = 1; break;
    case 5: dup2(-1, -1), close(-1), raise(SIGUSR1); break;
    }
    asm volatile("");
}

void middle(int how)
{
    innermost(how);
    asm volatile("");
}

void outermost(int how)
{
    try {
        middle(how);
    } catch (int signal) {
        std::printf("caught %d\n", signal);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
    }
    asm volatile("");
}

int main()
{
    for (int signal : {SIGUSR1, SIGALRM, SIGILL, SIGSEGV})
        std::signal(signal, handler);
    for (int how : {0, 1, 2, 5})
        outermost(how);
    throws = 1;
    for (int how : {0, 1, 2, 3, 4, 5})
        outermost(how);
    std::puts("done");
    return 0;
}
