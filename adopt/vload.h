/* vload in a process that runs already: link with -lvload, or dlopen("libvload.so"). */
#ifndef VLOAD_H
#define VLOAD_H

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the calling process one of vload's, whatever its threads do at the moment. `options` are those
   of vload's command line that say what it does (--log, --shapes, --skip, --plain, --no-cache, -m)
   and `--trace FILE`, separated by spaces; NULL is none. 0, or a negative errno: -EALREADY when the
   process is adopted or was started by vload, -EINVAL for options that make no sense, -EAGAIN when a
   thread could not be stopped, -EOPNOTSUPP on a processor for which this is not provided. */
int vload_adopt(const char *options);

/* How many calls the thread `tid` (0: every thread) has made since then, as `-m count` has counted
   them. -ENOENT without that module, -ESRCH for a thread that has made none. Makes no call itself. */
long vload_calls(int tid);

#ifdef __cplusplus
}
#endif

#endif
