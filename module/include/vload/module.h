/* What a module is to vload, and vload to a module: the same as the Rust crate vload-module, for C and C++.
 *
 * A module is a shared object without a C library, linked with -shared -nostdlib (`vload cflags` prints all
 * options), that defines `vload_module`. A function's result is a negative error number of the kernel's, or
 * what it says.
 */
#ifndef VLOAD_MODULE_H
#define VLOAD_MODULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "vloadmod", little endian: how a struct vload_module begins. */
#define VLOAD_MAGIC UINT64_C(0x646f6d64616f6c76)
/* The version of everything here. An image made for another is refused. */
#define VLOAD_VERSION 1

/* vload_module.kind */
enum {
    VLOAD_RAW = 1,     /* its operations are a struct vload_raw */
    VLOAD_SERVICE = 2, /* it gives a meaning to what it claims */
};

/* vload_module.flags: it gives no call another meaning, so that what goes around it (io_uring) is only not seen. */
#define VLOAD_LOOKS_ONLY UINT64_C(1)

/* What vload_module.event hears of. */
enum {
    VLOAD_EXEC = 1,    /* an exec has succeeded, and this is the new program */
    VLOAD_PROCESS = 2, /* this is a process that has just been started */
    VLOAD_THREAD = 3,  /* this is a thread that has just been started */
};

/* vload_log: an error is said on standard error too. */
enum { VLOAD_ERROR = 1, VLOAD_WARN = 2, VLOAD_INFO = 3, VLOAD_DEBUG = 4 };

/* A layer in a process: a loaded module with its arguments. Only vload knows what is in it. */
struct vload_layer;

/* What an image says of itself. Its variables are per process, and begin anew at an exec; what is shared by a
 * session is in the layer's area. */
struct vload_module {
    uint64_t magic;   /* VLOAD_MAGIC */
    uint32_t version; /* VLOAD_VERSION */
    uint32_t kind;
    const char *name;        /* at most 31 letters, digits, - and _ */
    const char *description; /* what it does, in a line */
    const char *keys;        /* the names of the arguments that it takes, with commas between them, or NULL */
    uint64_t flags;
    uint64_t area; /* bytes of session memory that a layer of it has, zero at first; only what is written takes memory */
    /* Once for each layer in a session, in the process that loads it; an error refuses the layer. */
    int (*init)(struct vload_layer *);
    /* Once for each layer in each program that a process begins, before its first call of the layer; an error leaves
     * the layer out of that program. */
    int (*attach)(struct vload_layer *);
    /* Before a layer is removed, in the process that removes it; an error keeps it. */
    int (*fini)(struct vload_layer *);
    /* Something has happened that is no call. */
    void (*event)(struct vload_layer *, int event);
    const void *operations; /* struct vload_raw, or what else the kind says */
};

/* How every module is declared. */
#ifdef __cplusplus
/* A declaration, so that the definition is no `extern` with an initialiser, which compilers warn of. */
extern __attribute__((visibility("default"))) const struct vload_module vload_module;
#define VLOAD_MODULE const struct vload_module vload_module
#else
#define VLOAD_MODULE __attribute__((visibility("default"), used)) const struct vload_module vload_module
#endif

/* vload_call.entry */
enum {
    VLOAD_NATIVE = 0, /* by the processor's own instruction */
    VLOAD_INT80 = 1,  /* by int $0x80 from 64-bit code: numbers and arguments are those of 32-bit programs */
    VLOAD_X32 = 2,    /* with an x32 number */
};

/* A system call of the program's on its way through the layers. */
struct vload_call {
    uintptr_t number; /* as the program gave it: a negative one is (uintptr_t)-1, and so on */
    uintptr_t arguments[6];
    uint32_t entry;
    uint32_t reserved;
};

/* What a raw module does. */
struct vload_raw {
    /* A call of the set. What it gives back is the call's result. */
    long (*call)(struct vload_layer *, struct vload_call *);
    /* The numbers of the calls that its layers want, by the processor's own instruction. */
    const uintptr_t *numbers;
    /* How many; VLOAD_EVERY for every call by every entry, whatever its number. */
    size_t count;
};
#define VLOAD_EVERY SIZE_MAX

/* Gives a call to the next layer down, as it is or as it was changed; the system comes last. A result that is not
 * answered by this layer is given back as it is. */
long vload_next(struct vload_layer *, struct vload_call *);
/* Asks the system for something, as the layer itself: only older layers hear of it. Addresses in the arguments
 * are the module's own. What may wait, as poll(2), is not asked when a signal has come, and gives -512: given back, it has
 * the program make its call again after the handler. So does rt_sigprocmask(2) then, whose result a handler would undo. */
long vload_system(struct vload_layer *, long number, const uintptr_t arguments[6]);

/* The program's memory: -EFAULT where it is not there. vload_get_string gives the length without the zero, and
 * -ENAMETOOLONG when there is no room. */
long vload_get(void *to, uintptr_t from, size_t length);
long vload_put(uintptr_t to, const void *from, size_t length);
long vload_get_string(char *to, uintptr_t from, size_t room);

/* The layer's session memory: the same bytes in every process, at whatever address. NULL without an area. */
void *vload_area(struct vload_layer *);
uint64_t vload_area_size(struct vload_layer *);
/* Takes one of the layer's 8 locks, over all threads of all processes, and lets it go. A process may be killed at any
 * instruction: what it has changed by vload_change under a lock that it never let go is as it was. A thread holds one
 * lock at a time, and changes at most 200 words under it. */
int vload_lock(struct vload_layer *, unsigned which);
void vload_change(struct vload_layer *, uint64_t *at, uint64_t value);
void vload_unlock(struct vload_layer *, unsigned which);
/* A word of the layer's own in this process, and in this thread: 0 at first; a new thread's is what its
 * starter's was. */
uintptr_t *vload_word(struct vload_layer *);
uintptr_t *vload_thread_word(struct vload_layer *);
/* The value of an argument, with a zero behind it as far as there is room: its length, or -ENOENT. */
long vload_argument(struct vload_layer *, const char *key, char *to, size_t room);
/* A line in the log (--log). */
void vload_log(struct vload_layer *, int level, const char *text, size_t length);
/* The code has found a fault in itself: it is reported, and the call that it is in ends with -EIO. */
__attribute__((noreturn)) void vload_panic(const char *text, size_t length);

/* What compilers call by name. */
void *memcpy(void *to, const void *from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int byte, size_t length);
int memcmp(const void *a, const void *b, size_t length);
size_t strlen(const char *text);

#ifdef __cplusplus
}
#endif

#include "service.h"

#endif
