/* Makes one call that changes files fail, or ends the process right after it. For LD_PRELOAD; Linux with glibc.

   FAULTS_ROOT    only files below this folder count
   FAULTS_COUNTS  a file of zeros, shared by all processes: how many calls of each kind each role made, and whether
                  the disk is full
   FAULTS_AIM     ROLE:CALL:NUMBER:ERROR, numbers; ERROR 0 ends the process after the call; a negative one fails that
                  call, and from then on every write and every new folder of all processes
   FAULTS_LOG     gets a line for each call: role, process, call, result, path, and the new path of a rename
   FAULTS_ROLE    the role, as a number; else the command of the process tells it

   A process that was forked takes its own settings with faults_begin. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE, FSYNC, RENAME, OPEN, MKDIR, CALLS };
enum { HARNESS, WORKER, SAMPLER, RECORDER, ROLES };
enum { GO_ON, FAIL, END };

static atomic_ulong (*counts)[CALLS], *full;
static unsigned long aim_number;
static int role, aim_role = -1, aim_call, aim_error, log_file = -1;
static char root[4096];

#define REAL(name) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) void faults_begin(void) {
  const char *folder = getenv("FAULTS_ROOT"), *shared = getenv("FAULTS_COUNTS");
  const char *aim = getenv("FAULTS_AIM"), *log = getenv("FAULTS_LOG"), *given = getenv("FAULTS_ROLE");
  counts = NULL;
  role = HARNESS;
  log_file = aim_role = -1;
  if (!folder || !shared) return;
  char line[8192] = "";
  int file = syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t got = syscall(SYS_read, file, line, sizeof line - 1);
  syscall(SYS_close, file);
  if (got < 0) got = 0;
  if (given) role = atoi(given);
  else if (memmem(line, got, "bench.worker", 12)) role = WORKER;
  else if (memmem(line, got, "bench.telemetry", 15)) role = SAMPLER;
  else if (memmem(line, got, "bench.tracking", 14)) role = RECORDER;
  snprintf(root, sizeof root, "%s/", folder);
  if (log) log_file = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (aim) sscanf(aim, "%d:%d:%lu:%d", &aim_role, &aim_call, &aim_number, &aim_error);
  file = syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC);
  void *memory = mmap(NULL, ROLES * sizeof *counts + sizeof *full, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  syscall(SYS_close, file);
  if (memory == MAP_FAILED) return;
  counts = memory;
  full = (atomic_ulong *)(counts + ROLES);
}

static int counted(int call, const char *path) {
  if (!counts || !path || strncmp(path, root, strlen(root))) return GO_ON;
  unsigned long number = atomic_fetch_add(&counts[role][call], 1) + 1;
  int aimed = role == aim_role && call == aim_call && number == aim_number;
  if (aimed && aim_error < 0) *full = 1;
  if (!aimed && !(*full && (call == WRITE || call == MKDIR))) return GO_ON;
  if (!aim_error) return END;
  errno = abs(aim_error);
  return FAIL;
}

static const char *path_of(int file, char *place, size_t room) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = counts ? readlink(link, place, room - 1) : -1;
  if (length < 0) return NULL;
  place[length] = 0;
  return place;
}

static long done(int what, int call, long result, const char *path, const char *other) {
  int error = errno;
  if (log_file >= 0 && path && !strncmp(path, root, strlen(root))) {
    char line[9000];
    int length = snprintf(line, sizeof line, "%d\t%d\t%d\t%ld\t%s\t%s\n", role, getpid(), call, result, path, other);
    syscall(SYS_write, log_file, line, length);
  }
  if (what == END) syscall(SYS_kill, getpid(), SIGKILL);
  errno = error;
  return result;
}

#define ON_FILE(call, file, act) \
  char place[4096]; \
  int kept = errno; \
  const char *path = path_of(file, place, sizeof place); \
  errno = kept; \
  int what = counted(call, path); \
  return done(what, call, what == FAIL ? -1 : (act), path, "")

ssize_t write(int file, const void *from, size_t size) { REAL(write); ON_FILE(WRITE, file, real(file, from, size)); }
ssize_t writev(int file, const struct iovec *from, int many) { REAL(writev); ON_FILE(WRITE, file, real(file, from, many)); }
ssize_t pwrite(int file, const void *from, size_t size, off_t at) { REAL(pwrite); ON_FILE(WRITE, file, real(file, from, size, at)); }
ssize_t pwrite64(int file, const void *from, size_t size, off64_t at) { REAL(pwrite64); ON_FILE(WRITE, file, real(file, from, size, at)); }
int fsync(int file) { REAL(fsync); ON_FILE(FSYNC, file, real(file)); }
int fdatasync(int file) { REAL(fdatasync); ON_FILE(FSYNC, file, real(file)); }

#define ON_PATH(call, path, other, act) \
  int what = counted(call, path); \
  return done(what, call, what == FAIL ? -1 : (act), path, other)

int rename(const char *from, const char *to) { REAL(rename); ON_PATH(RENAME, from, to, real(from, to)); }
int renameat(int a, const char *from, int b, const char *to) { REAL(renameat); ON_PATH(RENAME, from, to, real(a, from, b, to)); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); ON_PATH(MKDIR, path, "", real(path, mode)); }
int mkdirat(int at, const char *path, mode_t mode) { REAL(mkdirat); ON_PATH(MKDIR, path, "", real(at, path, mode)); }

#define OPENING(path, flags, act) \
  va_list rest; \
  va_start(rest, flags); \
  mode_t mode = (flags) & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
  va_end(rest); \
  if (((flags) & O_ACCMODE) == O_RDONLY) return act; \
  int what = counted(OPEN, path); \
  return done(what, OPEN, what == FAIL ? -1 : (act), path, "")

int open(const char *path, int flags, ...) { REAL(open); OPENING(path, flags, real(path, flags, mode)); }
int open64(const char *path, int flags, ...) { REAL(open64); OPENING(path, flags, real(path, flags, mode)); }
int openat(int at, const char *path, int flags, ...) { REAL(openat); OPENING(path, flags, real(at, path, flags, mode)); }
int openat64(int at, const char *path, int flags, ...) { REAL(openat64); OPENING(path, flags, real(at, path, flags, mode)); }
