/* Service modules: what is claimed, and the calls on it. Included by vload/module.h.
 *
 * The framework makes one operation of all variants of a call: paths are resolved, directory descriptors and flags are
 * gone, structures have one layout. Strings and buffers are the framework's, not the program's: a module uses them
 * as they are. No operation follows a symbolic link. Modes have been through the umask.
 *
 * An operation that is NULL, or gives -ENOSYS, fails as it does on a file system without it.
 */
#ifndef VLOAD_SERVICE_H
#define VLOAD_SERVICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vload_layer;
struct vload_call;

/* vload_claim_path: a set of */
#define VLOAD_CLAIM_EXACT 1u    /* the name alone, and nothing below it */
#define VLOAD_CLAIM_NUMBERS 2u  /* the name may be followed by digits, as in /dev/tty12 */
#define VLOAD_CLAIM_NEGATIVE 4u /* what is there is what it is without this layer and all older ones */
#define VLOAD_CLAIM_CONFIRM 8u  /* the operation confirm is asked about each path */

/* The result of open: vload_file.real is a real descriptor. The program gets that, and the layer is not asked again. */
#define VLOAD_REAL 1

/* vload_file.is */
#define VLOAD_STREAM 1u    /* bytes without positions: operations get the offset -1 */
#define VLOAD_DIRECTORY 2u /* a directory */
#define VLOAD_UNMAPPED 4u  /* mmap fails with ENODEV */
#define VLOAD_IN_AREA 8u   /* its bytes lie in the layer's area: the operation map says where */

/* An open file: what POSIX calls an open file description. */
struct vload_file {
    struct vload_layer *layer; /* whose it is */
    uint32_t claim;            /* the number of the claim that it was opened in */
    uint32_t is;               /* VLOAD_STREAM …: set by open */
    uint64_t private_word;     /* set by open, for all processes that have the file open: no address */
    int flags;                 /* the O_ flags as they are now */
    int real;                  /* set by an open that gives VLOAD_REAL */
};

/* What an operation is about: a place in a claimed tree, or an open file, or both. */
struct vload_node {
    struct vload_layer *layer; /* whose claim it is */
    uint32_t claim;            /* its number */
    uint32_t length;           /* of path */
    uint64_t private_word;     /* what the claim was made with */
    const char *path;          /* behind the claimed path: "" or "/…" (VLOAD_CLAIM_NUMBERS: the digits); NULL when its name is gone */
    const char *whole;         /* the whole canonical path, or NULL */
    struct vload_file *file;   /* the open file when the call had a descriptor, or NULL */
};

/* A time. In utimens the nanoseconds may be UTIME_NOW or UTIME_OMIT. */
struct vload_time {
    int64_t seconds;
    uint32_t nanoseconds;
    uint32_t reserved;
};

/* What is known of a file, on all machines in one layout. */
struct vload_stat {
    uint64_t device; /* 0 for the one that the framework gives to the claim */
    uint64_t inode;
    uint32_t mode;
    uint32_t links;
    uint32_t uid;
    uint32_t gid;
    uint64_t special; /* the device that the file stands for */
    uint64_t size;
    uint64_t blocks;     /* of 512 bytes */
    uint32_t block_size; /* 0 for 4096 */
    uint32_t reserved;
    struct vload_time accessed;
    struct vload_time modified;
    struct vload_time changed;
    struct vload_time born; /* zero when that is not known */
};

/* What is known of a file system. */
struct vload_statfs {
    uint64_t kind; /* its magic number */
    uint64_t block_size;
    uint64_t blocks;
    uint64_t free;
    uint64_t available;
    uint64_t files;
    uint64_t files_free;
    uint64_t id;          /* 0 for the claim's */
    uint64_t name_length; /* 0 for 255 */
    uint64_t flags;       /* ST_… */
};

/* A name in a directory. */
struct vload_entry {
    uint64_t inode; /* not 0 */
    uint8_t kind;   /* DT_… */
    char name[263]; /* at most 255 bytes and a zero */
};

/* Where a part of a file lies in its layer's area. */
struct vload_piece {
    uint64_t start;  /* a multiple of 4096 */
    uint64_t length; /* of the bytes that lie there together, the last page whole; 0 at the end of the file */
};

/* What mount was asked for. */
struct vload_mount {
    struct vload_layer *layer;
    const char *source; /* as it was given */
    const char *target; /* a canonical path */
    const char *kind;
    const char *data; /* the options, or NULL */
    uint64_t flags;   /* MS_… */
};

/* What a service module does. Results are 0 or more, or a negative error number. */
struct vload_service {
    /* Whether a path of a claim with VLOAD_CLAIM_CONFIRM is the layer's: 1 or 0. The call fails with an error. */
    int (*confirm)(const struct vload_node *);
    /* private_word is a number that no other open file of the session has, from 1 to 4096; close gets it so if the process
     * dies before open has set it. Sets private_word and is; 0 or VLOAD_REAL. O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY are to be minded here. */
    int (*open)(const struct vload_node *, int flags, uint32_t mode, struct vload_file *);
    /* Nobody has it open any more; perhaps in another process than the one that opened it. */
    int (*close)(struct vload_file *);
    long (*read)(struct vload_file *, void *to, size_t length, int64_t offset);
    /* With O_APPEND in the file's flags at the end, wherever that is. */
    long (*write)(struct vload_file *, const void *from, size_t length, int64_t offset);
    /* Where data or a hole begins: SEEK_DATA, SEEK_HOLE. NULL: there are no holes. All else the framework finds. */
    int64_t (*lseek)(struct vload_file *, int64_t offset, int whence);
    /* The argument is the program's: a value, or an address for vload_get and vload_put. */
    long (*ioctl)(struct vload_file *, uint32_t request, uintptr_t argument);
    /* Which of POLLIN, POLLOUT, POLLERR, POLLHUP hold now. NULL: reading and writing are possible. It is asked again after each
     * read, write, ioctl and close of a layer that has it, and after vload_wake. Of a VLOAD_STREAM whose read or write gives
     * -EAGAIN the framework waits for it, unless O_NONBLOCK is set. */
    int (*poll)(struct vload_file *);
    int (*fsync)(struct vload_file *, int data_only);
    int (*allocate)(struct vload_file *, int mode, int64_t offset, int64_t length);
    /* The name that a cookie stands for, 0 for the first, and the next one's cookie: 1; or 0 at the end. "." and ".." are
     * the framework's. */
    int (*list)(struct vload_file *, uint64_t *cookie, struct vload_entry *);
    /* NULL: what is claimed is one file of no known length, as those in /proc, that anybody may read and write as far as read
     * and write are there. */
    int (*stat)(const struct vload_node *, struct vload_stat *);
    /* R_OK, W_OK, X_OK. NULL: what stat says decides. */
    int (*access)(const struct vload_node *, int mode);
    /* The length, without a zero. */
    long (*readlink)(const struct vload_node *, char *to, size_t room);
    int (*utimens)(const struct vload_node *, const struct vload_time times[2]);
    int (*symlink)(const struct vload_node *, const char *target);
    int (*link)(const struct vload_node *from, const struct vload_node *to);
    int (*unlink)(const struct vload_node *);
    int (*mkdir)(const struct vload_node *, uint32_t mode);
    int (*rmdir)(const struct vload_node *);
    int (*mknod)(const struct vload_node *, uint32_t mode, uint64_t device);
    int (*chmod)(const struct vload_node *, uint32_t mode);
    /* UINT32_MAX leaves one as it is. */
    int (*chown)(const struct vload_node *, uint32_t uid, uint32_t gid);
    int (*rename)(const struct vload_node *from, const struct vload_node *to, uint32_t flags);
    int (*truncate)(const struct vload_node *, int64_t size);
    int (*statfs)(const struct vload_node *, struct vload_statfs *);
    /* The length of the value; that alone with no room. */
    long (*getxattr)(const struct vload_node *, const char *name, void *to, size_t room);
    int (*setxattr)(const struct vload_node *, const char *name, const void *value, size_t length, int flags);
    long (*listxattr)(const struct vload_node *, char *to, size_t room);
    int (*removexattr)(const struct vload_node *, const char *name);
    /* A file system of one of the types is mounted: claims the target, and what else it wants. */
    int (*mount)(const struct vload_mount *);
    /* A claim that mount made is taken away. */
    int (*umount)(const struct vload_node *, int flags);
    /* A call with one of the numbers, by the processor's own instruction, before its paths are looked at; the newest layer that
     * has claimed a number comes first. vload_next gives it to the next older one, then to what its paths and descriptors
     * stand for, and the system. */
    long (*call)(struct vload_layer *, struct vload_call *);
    const uintptr_t *numbers;
    size_t count;
    const char *types; /* of file systems that it mounts, with commas between them, or NULL */
    /* Of a VLOAD_IN_AREA: where what it has from an offset on, a multiple of 4096, lies in the layer's area, at most length
     * bytes of it. Programs get these pages as their memory (MAP_SHARED): they are this file's until close, which is not
     * called while a process has them mapped. */
    int (*map)(struct vload_file *, int64_t offset, uint64_t length, struct vload_piece *to);
};

/* Claims a canonical absolute path: the claim's number. Done in init, it holds for the whole session wherever the layer
 * does; in mount, in the view of who mounts. The newest claim of a path wins. */
int vload_claim_path(struct vload_layer *, const char *path, unsigned flags, uint64_t private_word);
/* A file of the layer's may have become ready otherwise than by a call on one: who waits asks poll again. */
int vload_wake(struct vload_layer *);
/* Takes a claim away. */
int vload_unclaim(struct vload_layer *, uint32_t claim);

#ifdef __cplusplus
}
#endif

#endif
