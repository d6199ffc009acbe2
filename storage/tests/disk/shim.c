/* A disk that fails and a disk that remembers, put between a process and the C library by LD_PRELOAD.
 *
 * It concerns files under $DISK_FOLDER only. Commands are written to the file $DISK_CONTROL, which the shim
 * intercepts:
 *     fail <call> <times> <errno>      calls number <call>, <call>+1, ... of a process fail; errno 0 makes a
 *                                      write short instead
 *     record <trace> <sync>            every call is written to the file <trace>; the <sync>th sync fails
 *     stop                             back to normal; the number of calls seen is written to the control file
 * Syncs never reach the real disk: what matters here is only when they are asked for. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, TRUNCATE = 3, UNLINK = 4, FAILED_SYNC = 5 };

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static long calls, fail_from, fail_times, syncs, fail_sync;
static int fail_errno, active, trace = -1;

static ssize_t raw_write(int fd, const void *data, size_t len) { return syscall(SYS_write, fd, data, len); }

/* The name under the folder that a path or descriptor stands for; 0 if it is none of ours. */
static const char *name_of(const char *path) {
    const char *folder = getenv("DISK_FOLDER");
    size_t len = folder ? strlen(folder) : 0;
    if (!len || strncmp(path, folder, len) || path[len] != '/') return 0;
    return path + len + 1;
}

static const char *path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, PATH_MAX - 1);
    path[len < 0 ? 0 : len] = 0;
    return path;
}

static void put(int op, const char *name, uint64_t at, const void *data, uint32_t len) {
    if (trace < 0) return;
    uint8_t head[2] = {op, strlen(name)};
    raw_write(trace, head, 2);
    raw_write(trace, name, head[1]);
    raw_write(trace, &at, 8);
    raw_write(trace, &len, 4);
    raw_write(trace, data, len);
}

static int control(int fd, const char *text, size_t len) {
    char line[PATH_MAX + 64], path[PATH_MAX], answer[32];
    snprintf(line, sizeof line, "%.*s", (int)len, text);
    if (trace >= 0) close(trace);
    trace = -1;
    if (!strncmp(line, "stop", 4)) {
        active = 0;
        int n = snprintf(answer, sizeof answer, "%ld", calls);
        raw_write(fd, answer, n);
        return 1;
    }
    active = 1, calls = syncs = 0, fail_from = fail_times = fail_sync = 0;
    if (sscanf(line, "record %4095s %ld", path, &fail_sync) == 2)
        trace = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    else
        sscanf(line, "fail %ld %ld %d", &fail_from, &fail_times, &fail_errno);
    return 1;
}

/* Counts a call and says whether it is one that fails. */
static int fails(void) {
    calls++;
    return fail_times && calls >= fail_from && calls < fail_from + fail_times;
}

ssize_t write(int fd, const void *data, size_t len) {
    char path[PATH_MAX];
    const char *wanted = getenv("DISK_CONTROL"), *name = 0;
    if (!wanted) return raw_write(fd, data, len);
    path_of(fd, path);
    pthread_mutex_lock(&guard);
    if (!strcmp(path, wanted)) {
        control(fd, data, len);
        pthread_mutex_unlock(&guard);
        return len;
    }
    ssize_t done = -1;
    name = active ? name_of(path) : 0;
    if (name && fails()) {
        if (!fail_errno && len > 1) len /= 2;
        else if (fail_errno) { errno = fail_errno; goto out; }
    }
    uint64_t at = name ? lseek(fd, 0, SEEK_CUR) : 0;
    done = raw_write(fd, data, len);
    if (name && done > 0) put(WRITE, name, at, data, done);
out:
    pthread_mutex_unlock(&guard);
    return done;
}

static ssize_t write_at(int fd, const void *data, size_t len, uint64_t at) {
    char path[PATH_MAX];
    pthread_mutex_lock(&guard);
    const char *name = active ? name_of(path_of(fd, path)) : 0;
    ssize_t done = -1;
    if (name && fails()) {
        if (!fail_errno && len > 1) len /= 2;
        else if (fail_errno) { errno = fail_errno; goto out; }
    }
    done = syscall(SYS_pwrite64, fd, data, len, at);
    if (name && done > 0) put(WRITE, name, at, data, done);
out:
    pthread_mutex_unlock(&guard);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at) { return write_at(fd, data, len, at); }
ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at) { return write_at(fd, data, len, at); }

static int sync_of(int fd) {
    char path[PATH_MAX];
    pthread_mutex_lock(&guard);
    const char *name = active ? name_of(path_of(fd, path)) : 0;
    int failed = 0;
    if (name) {
        failed = fails() || ++syncs == fail_sync;
        put(failed ? FAILED_SYNC : SYNC, name, 0, 0, 0);
        if (failed) errno = fail_errno ? fail_errno : EIO;
    }
    pthread_mutex_unlock(&guard);
    return failed ? -1 : 0;
}

int fsync(int fd) { return sync_of(fd); }
int fdatasync(int fd) { return sync_of(fd); }

static int truncate_of(int fd, uint64_t size) {
    char path[PATH_MAX];
    pthread_mutex_lock(&guard);
    const char *name = active ? name_of(path_of(fd, path)) : 0;
    int done = -1;
    if (name && fails() && fail_errno) errno = fail_errno;
    else {
        done = syscall(SYS_ftruncate, fd, size);
        if (name && !done) put(TRUNCATE, name, size, 0, 0);
    }
    pthread_mutex_unlock(&guard);
    return done;
}

int ftruncate(int fd, off_t size) { return truncate_of(fd, size); }
int ftruncate64(int fd, off64_t size) { return truncate_of(fd, size); }

int unlink(const char *path) {
    pthread_mutex_lock(&guard);
    const char *name = active ? name_of(path) : 0;
    if (name) put(UNLINK, name, 0, 0, 0);
    int done = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_unlock(&guard);
    return done;
}
