// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "process.h"

#define POLL_LIMIT 64
#define ARGUMENT_LIMIT 64
#define REMOVE_FDS 16

static int fail_errno(lua_State *L, const char *what) {
    int saved = errno;
    return luaL_error(L, "%s: %s", what, strerror(saved));
}

static int check_fd(lua_State *L, int index) {
    return (int)luaL_checkinteger(L, index);
}

// now(): seconds on the monotonic clock.
static int wire_now(lua_State *L) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
    return 1;
}

// Appends the descriptors of the array at `index`.
static nfds_t add_fds(lua_State *L, int index, short events, struct pollfd *fds, nfds_t count) {
    luaL_checktype(L, index, LUA_TTABLE);
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, index); i++) {
        luaL_argcheck(L, count < POLL_LIMIT, index, "too many descriptors");
        lua_rawgeti(L, index, i);
        fds[count++] = (struct pollfd){.fd = check_fd(L, -1), .events = events};
        lua_pop(L, 1);
    }
    return count;
}

// wait(readers, writers, timeout_s): the array of descriptors that are ready (or
// hung up). A timeout_s of nil waits for ever.
static int wire_wait(lua_State *L) {
    struct pollfd fds[POLL_LIMIT];
    nfds_t count = add_fds(L, 1, POLLIN, fds, 0);
    count = add_fds(L, 2, POLLOUT, fds, count);
    lua_Number timeout_s = luaL_optnumber(L, 3, -1);
    struct timespec timeout = {.tv_sec = (time_t)timeout_s};
    timeout.tv_nsec = (long)((timeout_s - (lua_Number)timeout.tv_sec) * 1e9);
    int ready = ppoll(fds, count, lua_isnoneornil(L, 3) ? NULL : &timeout, NULL);
    if (ready < 0 && errno != EINTR)
        return fail_errno(L, "poll");
    lua_newtable(L);
    lua_Integer found = 0;
    for (nfds_t i = 0; ready > 0 && i < count; i++) {
        if (!fds[i].revents)
            continue;
        lua_pushinteger(L, fds[i].fd);
        lua_rawseti(L, -2, ++found);
    }
    return 1;
}

// read(fd, limit): bytes; "" when there are none yet; nil at the end.
static int wire_read(lua_State *L) {
    int fd = check_fd(L, 1);
    size_t limit = (size_t)luaL_optinteger(L, 2, 4096);
    luaL_Buffer buffer;
    char *bytes = luaL_buffinitsize(L, &buffer, limit);
    ssize_t got = read(fd, bytes, limit);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        got = 0;
    else if (got <= 0)
        return 0;
    luaL_pushresultsize(&buffer, (size_t)got);
    return 1;
}

// write(fd, bytes): how many were taken; nil when the other side is gone.
static int wire_write(lua_State *L) {
    size_t len = 0;
    int fd = check_fd(L, 1);
    const char *bytes = luaL_checklstring(L, 2, &len);
    ssize_t put = write(fd, bytes, len);
    if (put < 0 && errno != EAGAIN && errno != EINTR)
        return 0;
    lua_pushinteger(L, put < 0 ? 0 : put);
    return 1;
}

static int wire_close(lua_State *L) {
    close(check_fd(L, 1));
    return 0;
}

// pty(): the master's descriptor and the slave's path.
static int wire_pty(lua_State *L) {
    char slave[64];
    int master = sim_pty_open(slave, sizeof slave);
    if (master < 0)
        return fail_errno(L, "pty");
    lua_pushinteger(L, master);
    lua_pushstring(L, slave);
    return 2;
}

// hold(path): opens a terminal and keeps it, so that its other end sees no
// hang-up when the last user leaves; raw, as a serial line is.
static int wire_hold(lua_State *L) {
    int fd = open(luaL_checkstring(L, 1), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(L, lua_tostring(L, 1));
    struct termios mode;
    if (tcgetattr(fd, &mode) == 0) {
        cfmakeraw(&mode);
        tcsetattr(fd, TCSANOW, &mode);
    }
    lua_pushinteger(L, fd);
    return 1;
}

// signals(): a descriptor that is readable when this program is asked to end.
static int wire_signals(lua_State *L) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return fail_errno(L, "signalfd");
    lua_pushinteger(L, fd);
    return 1;
}

// ---- sockets ----

// listen(path): a unix socket of one packet per request.
static int wire_listen(lua_State *L) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = luaL_checkstring(L, 1);
    luaL_argcheck(L, strlen(path) < sizeof address.sun_path, 1, "too long");
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        listen(fd, 8) < 0)
        return fail_errno(L, path);
    lua_pushinteger(L, fd);
    return 1;
}

static struct sockaddr_in loopback(lua_Integer port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

// listen_tcp(): a listening socket on a free loopback port, and the port.
static int wire_listen_tcp(lua_State *L) {
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, len) < 0 || listen(fd, 8) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return fail_errno(L, "listen");
    lua_pushinteger(L, fd);
    lua_pushinteger(L, ntohs(address.sin_port));
    return 2;
}

// connect_tcp(host, port): a connected socket, or nil and why.
static int wire_connect_tcp(lua_State *L) {
    struct sockaddr_in address = loopback(luaL_checkinteger(L, 2));
    luaL_argcheck(L, inet_pton(AF_INET, luaL_checkstring(L, 1), &address.sin_addr) == 1, 1,
                  "not an IPv4 address");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        int saved = errno;
        if (fd >= 0)
            close(fd);
        lua_pushnil(L);
        lua_pushstring(L, strerror(saved));
        return 2;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    lua_pushinteger(L, fd);
    return 1;
}

// accept(fd): a connection, or nil.
static int wire_accept(lua_State *L) {
    int fd = accept4(check_fd(L, 1), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return 0;
    lua_pushinteger(L, fd);
    return 1;
}

// ---- processes ----

// The strings of the array at `index`, ending with NULL; they live as long as
// the array does.
static void strings_of(lua_State *L, int index, char **strings) {
    luaL_checktype(L, index, LUA_TTABLE);
    size_t count = lua_rawlen(L, index);
    if (count >= ARGUMENT_LIMIT)
        luaL_error(L, "more than %d strings", ARGUMENT_LIMIT - 1);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        // execve(2) does not write to them.
        strings[i] = (char *)(uintptr_t)luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    strings[count] = NULL;
}

static bool option(lua_State *L, const char *name) {
    lua_getfield(L, 1, name);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static void set_integer(lua_State *L, const char *name, int value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

// spawn{argv=, env=, root=, terminal=, watched=, watch_reads=}: {pid, pidfd, fd,
// listener}, or nil and why. See process.h.
static int wire_spawn(lua_State *L) {
    char *argv[ARGUMENT_LIMIT];
    char *env[ARGUMENT_LIMIT];
    char error[256];
    struct sim_process process;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "argv");
    lua_getfield(L, 1, "env");
    lua_getfield(L, 1, "root");
    strings_of(L, 2, argv);
    if (!lua_isnil(L, 3))
        strings_of(L, 3, env);
    struct sim_process_options options = {
        .argv = argv,
        .env = lua_isnil(L, 3) ? NULL : env,
        .root = luaL_optstring(L, 4, NULL),
        .terminal = option(L, "terminal"),
        .watched = option(L, "watched"),
        .watch_reads = option(L, "watch_reads"),
    };
    snprintf(error, sizeof error, "no descriptor");
    if (!sim_process_start(&options, &process, error, sizeof error)) {
        lua_pushnil(L);
        lua_pushstring(L, error);
        return 2;
    }
    lua_newtable(L);
    set_integer(L, "pid", process.pid);
    set_integer(L, "pidfd", process.pidfd);
    set_integer(L, "fd", process.fd);
    if (process.listener >= 0)
        set_integer(L, "listener", process.listener);
    return 1;
}

// reap(): the pid of a child that has ended and its exit status (128 and the
// signal when one killed it), or nil.
static int wire_reap(lua_State *L) {
    int status = 0;
    pid_t pid = sim_process_reap(&status);
    if (pid == 0)
        return 0;
    lua_pushinteger(L, pid);
    lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 2;
}

// kill(pid): ends one process group at once.
static int wire_kill(lua_State *L) {
    pid_t pid = (pid_t)luaL_checkinteger(L, 1);
    luaL_argcheck(L, pid > 1, 1, "not a child");
    kill(-pid, SIGKILL);
    return 0;
}

// kill_all(): ends every process that this program started, and waits for it.
static int wire_kill_all(lua_State *L) {
    (void)L;
    sim_process_kill_all();
    return 0;
}

// ---- files ----

// temp_dir(): a new folder.
static int wire_temp_dir(lua_State *L) {
    const char *parent = getenv("TMPDIR");
    char path[256];
    snprintf(path, sizeof path, "%s/jflash-sim.XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(path))
        return fail_errno(L, path);
    lua_pushstring(L, path);
    return 1;
}

static int wire_mkdir(lua_State *L) {
    if (mkdir(luaL_checkstring(L, 1), 0755) < 0 && errno != EEXIST)
        return fail_errno(L, lua_tostring(L, 1));
    return 0;
}

// symlink(target, path): replaces what `path` was.
static int wire_symlink(lua_State *L) {
    unlink(luaL_checkstring(L, 2));
    if (symlink(luaL_checkstring(L, 1), lua_tostring(L, 2)) < 0)
        return fail_errno(L, lua_tostring(L, 2));
    return 0;
}

// truncate(path, size_bytes): makes the file if there is none.
static int wire_truncate(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    int failed = fd < 0 ? -1 : ftruncate(fd, (off_t)luaL_checkinteger(L, 2));
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return failed ? fail_errno(L, path) : 0;
}

// size(path): bytes, or nil when there is no such file.
static int wire_size(lua_State *L) {
    struct stat status;
    if (stat(luaL_checkstring(L, 1), &status) < 0)
        return 0;
    lua_pushinteger(L, (lua_Integer)status.st_size);
    return 1;
}

// copy(from, to): with its mode.
static int wire_copy(lua_State *L) {
    const char *from = luaL_checkstring(L, 1);
    const char *to = luaL_checkstring(L, 2);
    struct stat status;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0 || fstat(in, &status) < 0)
        return fail_errno(L, from);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, status.st_mode & 0777);
    ssize_t got = out < 0 ? -1 : 1;
    while (got > 0) {
        char chunk[65536];
        got = read(in, chunk, sizeof chunk);
        if (got > 0 && write(out, chunk, (size_t)got) != got)
            got = -1;
    }
    int saved = errno;
    close(in);
    if (out >= 0)
        close(out);
    errno = saved;
    return got < 0 ? fail_errno(L, to) : 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where) {
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

// remove_tree(path)
static int wire_remove_tree(lua_State *L) {
    nftw(luaL_checkstring(L, 1), remove_entry, REMOVE_FDS, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static const luaL_Reg functions[] = {
    {"now", wire_now},
    {"wait", wire_wait},
    {"read", wire_read},
    {"write", wire_write},
    {"close", wire_close},
    {"pty", wire_pty},
    {"hold", wire_hold},
    {"signals", wire_signals},
    {"listen", wire_listen},
    {"listen_tcp", wire_listen_tcp},
    {"connect_tcp", wire_connect_tcp},
    {"accept", wire_accept},
    {"spawn", wire_spawn},
    {"reap", wire_reap},
    {"kill", wire_kill},
    {"kill_all", wire_kill_all},
    {"kernel", sim_kernel_new},
    {"temp_dir", wire_temp_dir},
    {"mkdir", wire_mkdir},
    {"symlink", wire_symlink},
    {"truncate", wire_truncate},
    {"size", wire_size},
    {"copy", wire_copy},
    {"remove_tree", wire_remove_tree},
    {NULL, NULL},
};

int sim_wire_open(lua_State *L) {
    luaL_newlib(L, functions);
    return 1;
}
