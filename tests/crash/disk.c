/* A disk that can lose power or fill up, for LD_PRELOAD.
 *
 * Everything below the directory DISK_DIR is watched, nothing else.
 *
 *   DISK_TRACE=FILE  every change and every sync is written to FILE, in the
 *                    order in which it happened, for tests/it/crash.rs to
 *                    rebuild what a power cut would have left. Calls are made
 *                    one at a time, so that the order is true.
 *   DISK_ACKS=FILE   what is written to FILE goes into the trace too: words
 *                    that were said to the outside.
 *   DISK_LIE=CALL    fsync or fdatasync: that call does nothing and says that
 *                    it did. (To see that the tests notice.)
 *   DISK_FULL=FILE   as long as FILE exists the disk is full: no file grows
 *                    beyond its length and what was allocated before, but into
 *                    the room of files that this process removed.
 *   DISK_FAULTS=DIR  what is wrong with the disk, as long as a file of that name
 *                    is in DIR: `write` (writing fails with EIO), `fsync` (so
 *                    does syncing), `read-only` (whatever changes the disk
 *                    fails with EROFS, as on a file system that the kernel
 *                    made read-only because of errors).
 *
 * One record of the trace: op (1 byte), inode (8), offset (8), length of the
 * data (4), data; numbers in host order. Paths are relative to DISK_DIR.
 *
 *   C create PATH   D mkdir PATH   R rename OLD \0 NEW   U unlink or rmdir PATH
 *   W write at offset DATA   T truncate to offset
 *   F fsync, fdatasync of a file   S fsync of the directory PATH
 *   A acknowledged DATA
 *
 * sync_file_range is no record: it writes no metadata and empties no cache.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 4096
enum { NOT_OURS, OURS, ACKS };
static unsigned char kind[FDS];
static char *path_of[FDS]; /* of directories */
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
static int trace = -1;
static const char *dir, *acks, *lie, *full, *faults;
static size_t dir_len;

static void *next(const char *name) {
    void *f = dlsym(RTLD_NEXT, name);
    if (!f) abort();
    return f;
}
#define NEXT(ret, name, ...)                      \
    static ret (*real)(__VA_ARGS__);              \
    if (!real) real = (ret (*)(__VA_ARGS__))next(name)

__attribute__((constructor)) static void start(void) {
    dir = getenv("DISK_DIR");
    acks = getenv("DISK_ACKS");
    lie = getenv("DISK_LIE");
    full = getenv("DISK_FULL");
    faults = getenv("DISK_FAULTS");
    if (dir) dir_len = strlen(dir);
    const char *file = getenv("DISK_TRACE");
    if (file)
        trace = syscall(SYS_openat, AT_FDCWD, file,
                        O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void put(const void *data, size_t n) {
    const char *p = data;
    while (n) {
        ssize_t w = syscall(SYS_write, trace, p, n);
        if (w < 0 && errno == EINTR) continue;
        if (w <= 0) abort();
        p += w;
        n -= w;
    }
}

static void record(char op, uint64_t ino, uint64_t offset, const void *data, uint32_t n) {
    if (trace < 0) return;
    int saved = errno;
    char head[21];
    head[0] = op;
    memcpy(head + 1, &ino, 8);
    memcpy(head + 9, &offset, 8);
    memcpy(head + 17, &n, 4);
    put(head, sizeof head);
    put(data, n);
    errno = saved;
}

/* The path below DISK_DIR, or null. */
static const char *ours(const char *path) {
    if (!dir || strncmp(path, dir, dir_len)) return 0;
    if (path[dir_len] == 0) return ".";
    return path[dir_len] == '/' ? path + dir_len + 1 : 0;
}

/* An absolute path for what a call names; a directory's descriptor is looked
 * up in /proc. */
static const char *absolute(int at, const char *path, char *room) {
    if (path[0] == '/') return path;
    char link[64];
    ssize_t n;
    if (at == AT_FDCWD)
        n = getcwd(room, PATH_MAX) ? (ssize_t)strlen(room) : -1;
    else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        n = readlink(link, room, PATH_MAX);
    }
    if (n < 0) return path;
    snprintf(room + n, PATH_MAX - n, "/%s", path);
    return room;
}

static uint64_t inode(int fd) {
    struct stat s;
    return fstat(fd, &s) ? 0 : s.st_ino;
}

static int watched(int fd) { return fd >= 0 && fd < FDS && kind[fd] == OURS; }

/* ---- a disk that fails --------------------------------------------------- */

static int wrong(const char *what) {
    char path[PATH_MAX];
    if (!faults) return 0;
    snprintf(path, sizeof path, "%s/%s", faults, what);
    return syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
}

/* Whether a change of what is on the disk fails; errno says why. */
static int no_change(void) {
    if (wrong("read-only")) errno = EROFS;
    else if (wrong("write")) errno = EIO;
    else return 0;
    return 1;
}

/* The same for names: a disk that fails to write notices them later. */
static int no_name(int at, const char *path) {
    char room[PATH_MAX];
    if (!ours(absolute(at, path, room)) || !wrong("read-only")) return 0;
    errno = EROFS;
    return 1;
}

/* ---- opening and closing ------------------------------------------------ */

static int open_any(int at, const char *given, int flags, mode_t mode) {
    char room[PATH_MAX];
    const char *path = absolute(at, given, room), *below = ours(path);
    if ((flags & (O_CREAT | O_TRUNC | O_ACCMODE)) && no_name(at, given)) return -1;
    pthread_mutex_lock(&one);
    struct stat before;
    int there = below && stat(path, &before) == 0;
    int fd = syscall(SYS_openat, at, given, flags, mode);
    if (fd >= 0 && fd < FDS) {
        kind[fd] = NOT_OURS;
        if (acks && !strcmp(path, acks)) kind[fd] = ACKS;
        if (below) {
            struct stat now;
            fstat(fd, &now);
            kind[fd] = OURS;
            free(path_of[fd]);
            path_of[fd] = S_ISDIR(now.st_mode) ? strdup(below) : 0;
            if (!there) record('C', now.st_ino, 0, below, strlen(below));
            else if ((flags & O_TRUNC) && before.st_size) record('T', now.st_ino, 0, 0, 0);
        }
    }
    pthread_mutex_unlock(&one);
    return fd;
}

#define OPEN(name, ...)                                  \
    mode_t mode = 0;                                     \
    if (flags & (O_CREAT | O_TMPFILE)) {                 \
        va_list ap;                                      \
        va_start(ap, flags);                             \
        mode = va_arg(ap, mode_t);                       \
        va_end(ap);                                      \
    }
int open(const char *p, int flags, ...) { OPEN(open) return open_any(AT_FDCWD, p, flags, mode); }
int open64(const char *p, int flags, ...) { OPEN(open64) return open_any(AT_FDCWD, p, flags, mode); }
int openat(int at, const char *p, int flags, ...) { OPEN(openat) return open_any(at, p, flags, mode); }
int openat64(int at, const char *p, int flags, ...) { OPEN(openat64) return open_any(at, p, flags, mode); }

int close(int fd) {
    NEXT(int, "close", int);
    if (fd >= 0 && fd < FDS) kind[fd] = NOT_OURS;
    return real(fd);
}

/* ---- a full disk -------------------------------------------------------- */

/* How far blocks were allocated beyond a file's end, by inode. */
static struct { uint64_t ino, until; } allocated[64];

/* What removed files gave free, in bytes. */
static uint64_t freed;

static int is_full(void) { return full && syscall(SYS_faccessat, AT_FDCWD, full, F_OK) == 0; }

static uint64_t limit(const struct stat *s) {
    uint64_t size = s->st_size;
    for (int i = 0; i < 64; i++)
        if (allocated[i].ino == s->st_ino && allocated[i].until > size) return allocated[i].until;
    return size;
}

static int no_room(int fd, uint64_t end) {
    struct stat s;
    if (!is_full() || fstat(fd, &s) || end <= limit(&s)) return 0;
    if (end - limit(&s) <= freed) {
        freed -= end - limit(&s);
        return 0;
    }
    errno = ENOSPC;
    return 1;
}

int fallocate(int fd, int mode, off_t offset, off_t n) {
    NEXT(int, "fallocate", int, int, off_t, off_t);
    if (!watched(fd)) return real(fd, mode, offset, n);
    pthread_mutex_lock(&one);
    int r = no_change() || no_room(fd, offset + n) ? -1 : real(fd, mode, offset, n);
    if (r == 0) {
        uint64_t ino = inode(fd);
        for (int i = 0; i < 64; i++)
            if (allocated[i].ino == ino || !allocated[i].ino) {
                allocated[i].ino = ino;
                if (allocated[i].until < (uint64_t)(offset + n)) allocated[i].until = offset + n;
                break;
            }
    }
    pthread_mutex_unlock(&one);
    return r;
}
int fallocate64(int fd, int mode, off_t offset, off_t n) { return fallocate(fd, mode, offset, n); }

/* ---- changes ------------------------------------------------------------ */

static ssize_t write_any(int fd, const void *data, size_t n, off_t offset, int positioned) {
    pthread_mutex_lock(&one);
    if (kind[fd] == OURS && !positioned) {
        int flags = fcntl(fd, F_GETFL);
        offset = lseek(fd, 0, flags & O_APPEND ? SEEK_END : SEEK_CUR);
    }
    ssize_t r;
    if (kind[fd] == OURS && (no_change() || no_room(fd, offset + n))) r = -1;
    else if (positioned) r = syscall(SYS_pwrite64, fd, data, n, offset);
    else r = syscall(SYS_write, fd, data, n);
    if (r > 0) record(kind[fd] == ACKS ? 'A' : 'W', inode(fd), offset, data, r);
    pthread_mutex_unlock(&one);
    return r;
}

ssize_t write(int fd, const void *data, size_t n) {
    if (fd < 0 || fd >= FDS || kind[fd] == NOT_OURS) return syscall(SYS_write, fd, data, n);
    return write_any(fd, data, n, 0, 0);
}
ssize_t pwrite(int fd, const void *data, size_t n, off_t offset) {
    if (!watched(fd)) return syscall(SYS_pwrite64, fd, data, n, offset);
    return write_any(fd, data, n, offset, 1);
}
ssize_t pwrite64(int fd, const void *data, size_t n, off_t offset) { return pwrite(fd, data, n, offset); }
ssize_t writev(int fd, const struct iovec *v, int n) {
    if (fd < 0 || fd >= FDS || kind[fd] == NOT_OURS) return syscall(SYS_writev, fd, v, n);
    /* The first part only: a short write, which every caller must take. */
    for (int i = 0; i < n; i++)
        if (v[i].iov_len) return write_any(fd, v[i].iov_base, v[i].iov_len, 0, 0);
    return 0;
}

int ftruncate(int fd, off_t length) {
    NEXT(int, "ftruncate", int, off_t);
    if (!watched(fd)) return real(fd, length);
    if (no_change()) return -1;
    pthread_mutex_lock(&one);
    int r = real(fd, length);
    if (r == 0) {
        uint64_t ino = inode(fd);
        record('T', ino, length, 0, 0);
        for (int i = 0; i < 64; i++)
            if (allocated[i].ino == ino && allocated[i].until > (uint64_t)length)
                allocated[i].until = length;
    }
    pthread_mutex_unlock(&one);
    return r;
}
int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }

static void name_record(char op, int at, const char *given) {
    char room[PATH_MAX];
    const char *below = ours(absolute(at, given, room));
    if (below) record(op, 0, 0, below, strlen(below));
}

int rename(const char *from, const char *to) {
    NEXT(int, "rename", const char *, const char *);
    char a[PATH_MAX], b[PATH_MAX], both[2 * PATH_MAX];
    const char *x = ours(absolute(AT_FDCWD, from, a)), *y = ours(absolute(AT_FDCWD, to, b));
    if (no_name(AT_FDCWD, from) || no_name(AT_FDCWD, to)) return -1;
    pthread_mutex_lock(&one);
    int r = real(from, to);
    if (r == 0 && x && y) {
        size_t n = strlen(x) + 1;
        memcpy(both, x, n);
        strcpy(both + n, y);
        record('R', 0, 0, both, n + strlen(y));
    }
    pthread_mutex_unlock(&one);
    return r;
}

#define NAMED(name, op, args, call, at, path, ...)     \
    int name args {                                    \
        NEXT(int, #name, __VA_ARGS__);                 \
        if (no_name(at, path)) return -1;              \
        pthread_mutex_lock(&one);                      \
        int r = real call;                             \
        if (r == 0) name_record(op, at, path);         \
        pthread_mutex_unlock(&one);                    \
        return r;                                      \
    }

int unlink(const char *path) {
    NEXT(int, "unlink", const char *);
    struct stat s;
    if (no_name(AT_FDCWD, path)) return -1;
    pthread_mutex_lock(&one);
    int there = stat(path, &s) == 0;
    int r = real(path);
    if (r == 0) {
        char room[PATH_MAX];
        name_record('U', AT_FDCWD, path);
        if (there && ours(absolute(AT_FDCWD, path, room))) {
            freed += limit(&s);
            for (int i = 0; i < 64; i++)
                if (allocated[i].ino == s.st_ino) allocated[i].until = 0;
        }
    }
    pthread_mutex_unlock(&one);
    return r;
}
NAMED(rmdir, 'U', (const char *p), (p), AT_FDCWD, p, const char *)
NAMED(unlinkat, 'U', (int at, const char *p, int flags), (at, p, flags), at, p, int, const char *, int)
NAMED(mkdir, 'D', (const char *p, mode_t m), (p, m), AT_FDCWD, p, const char *, mode_t)
NAMED(mkdirat, 'D', (int at, const char *p, mode_t m), (at, p, m), at, p, int, const char *, mode_t)

/* ---- syncs -------------------------------------------------------------- */

static int sync_any(int fd, const char *name) {
    if (!watched(fd)) return syscall(!strcmp(name, "fsync") ? SYS_fsync : SYS_fdatasync, fd);
    if (wrong("fsync")) {
        errno = EIO;
        return -1;
    }
    if (lie && !strcmp(lie, name)) return 0;
    /* The real call is left out: the power only fails in the trace. */
    pthread_mutex_lock(&one);
    if (trace < 0) syscall(SYS_fsync, fd);
    if (path_of[fd]) record('S', 0, 0, path_of[fd], strlen(path_of[fd]));
    else record('F', inode(fd), 0, 0, 0);
    pthread_mutex_unlock(&one);
    return 0;
}
int fsync(int fd) { return sync_any(fd, "fsync"); }
int fdatasync(int fd) { return sync_any(fd, "fdatasync"); }
