/* Loaded before the C library by tests/interrupted.rs: makes one system call of a program fail, or kills the program at
 * one, or only counts them. Only calls on files below a directory count.
 *
 *   FAULT_BELOW  the directory
 *   FAULT_KINDS  which calls: letters of o (open), c (open that creates), r (read), w (write), s (sync), n (rename, link),
 *                d (make a directory), l (lock), u (remove)
 *   FAULT_AT     the number of the call, from 1; 0 only counts
 *   FAULT_ERRNO  what it fails with; 0 kills the program before the call, -1 after it
 *   FAULT_LASTS  1: so do all later calls of the same kinds
 *   FAULT_COUNT  a file that gets the number of calls at the end
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;
static const char *below, *kinds, *count_file;
static long at, fails_with, lasts;

__attribute__((constructor)) static void begin(void) {
    const char *text;
    below = getenv("FAULT_BELOW");
    kinds = getenv("FAULT_KINDS");
    count_file = getenv("FAULT_COUNT");
    at = (text = getenv("FAULT_AT")) ? atol(text) : 0;
    fails_with = (text = getenv("FAULT_ERRNO")) ? atol(text) : 0;
    lasts = (text = getenv("FAULT_LASTS")) ? atol(text) : 0;
}

__attribute__((destructor)) static void end(void) {
    char text[32];
    if (!count_file) return;
    int fd = syscall(SYS_openat, AT_FDCWD, count_file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    int length = snprintf(text, sizeof text, "%ld", (long)calls);
    if (fd >= 0 && syscall(SYS_write, fd, text, length) == length) syscall(SYS_close, fd);
}

static int is_below(const char *path) {
    return below && path && strncmp(path, below, strlen(below)) == 0;
}

static int fd_is_below(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

static int path_is_below(int dir, const char *path) {
    char here[4096];
    if (!path) return 0;
    if (path[0] == '/') return is_below(path);
    if (dir != AT_FDCWD) return fd_is_below(dir);
    return syscall(SYS_getcwd, here, sizeof here) > 0 && is_below(here);
}

/* Whether this call has its turn. */
static int is_due(char kind, int counts) {
    if (!counts || !kinds || !strchr(kinds, kind)) return 0;
    long number = atomic_fetch_add(&calls, 1) + 1;
    return at > 0 && (number == at || (lasts && number > at));
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

#define CALL(kind, counts, type, name, ...)                                                  \
    static type (*real)() = NULL;                                                            \
    if (!real) real = (type(*)())dlsym(RTLD_NEXT, name);                                     \
    int due = is_due(kind, counts);                                                          \
    if (due && fails_with > 0) { errno = (int)fails_with; return (type)-1; }                 \
    if (due && fails_with == 0) die();                                                       \
    type result = real(__VA_ARGS__);                                                         \
    if (due) die();                                                                          \
    return result

#define MODE                                                                                 \
    mode_t mode = 0;                                                                         \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
#define OPEN_KIND (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? 'c' : 'o')

int open(const char *path, int flags, ...) { MODE CALL(OPEN_KIND, path_is_below(AT_FDCWD, path), int, "open", path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE CALL(OPEN_KIND, path_is_below(AT_FDCWD, path), int, "open64", path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE CALL(OPEN_KIND, path_is_below(dir, path), int, "openat", dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE CALL(OPEN_KIND, path_is_below(dir, path), int, "openat64", dir, path, flags, mode); }
ssize_t read(int fd, void *to, size_t size) { CALL('r', fd_is_below(fd), ssize_t, "read", fd, to, size); }
ssize_t pread64(int fd, void *to, size_t size, off64_t from) { CALL('r', fd_is_below(fd), ssize_t, "pread64", fd, to, size, from); }
ssize_t write(int fd, const void *from, size_t size) { CALL('w', fd_is_below(fd), ssize_t, "write", fd, from, size); }
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t to) { CALL('w', fd_is_below(fd), ssize_t, "pwrite64", fd, from, size, to); }
ssize_t writev(int fd, const struct iovec *parts, int number) { CALL('w', fd_is_below(fd), ssize_t, "writev", fd, parts, number); }
int fsync(int fd) { CALL('s', fd_is_below(fd), int, "fsync", fd); }
int fdatasync(int fd) { CALL('s', fd_is_below(fd), int, "fdatasync", fd); }
int rename(const char *from, const char *to) { CALL('n', path_is_below(AT_FDCWD, to), int, "rename", from, to); }
int link(const char *from, const char *to) { CALL('n', path_is_below(AT_FDCWD, to), int, "link", from, to); }
int linkat(int one, const char *from, int two, const char *to, int flags) { CALL('n', path_is_below(two, to), int, "linkat", one, from, two, to, flags); }
int symlink(const char *from, const char *to) { CALL('n', path_is_below(AT_FDCWD, to), int, "symlink", from, to); }
int mkdir(const char *path, mode_t mode) { CALL('d', path_is_below(AT_FDCWD, path), int, "mkdir", path, mode); }
int flock(int fd, int how) { CALL('l', fd_is_below(fd), int, "flock", fd, how); }
int unlink(const char *path) { CALL('u', path_is_below(AT_FDCWD, path), int, "unlink", path); }
int unlinkat(int dir, const char *path, int flags) { CALL('u', path_is_below(dir, path), int, "unlinkat", dir, path, flags); }
int rmdir(const char *path) { CALL('u', path_is_below(AT_FDCWD, path), int, "rmdir", path); }
