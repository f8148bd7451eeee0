// SPDX-License-Identifier: Apache-2.0
#include "console/exec.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"

// How long the command has to end, behind its last byte and behind SIGHUP.
#define END_S 1.0
#define POLL_MS 5
#define LAST_LINE 200

struct exec_stream {
    struct jf_stream stream; // the pty's master
    int slave;               // kept open until the command has it; -1 from then on
    pid_t pid;               // and process group; 0: none, or its status is taken
    char last[LAST_LINE];    // the last line so far that is not empty
    size_t last_len;
    bool is_line_over;
};

static void remember(struct exec_stream *self, const char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        bool is_end = bytes[i] == '\n' || bytes[i] == '\r';
        if (is_end) {
            self->is_line_over = true;
        } else if (isprint((unsigned char)bytes[i])) {
            if (self->is_line_over)
                self->last_len = 0;
            self->is_line_over = false;
            if (self->last_len < LAST_LINE)
                self->last[self->last_len++] = bytes[i];
        }
    }
}

// Waits until the command has ended. Takes its status; false when it has not.
static bool reap(struct exec_stream *self, double seconds, int *ret_status) {
    jf_deadline deadline = jf_deadline_in(seconds);
    for (;;) {
        pid_t got = waitpid(self->pid, ret_status, WNOHANG);
        if (got == self->pid) {
            self->pid = 0;
            return true;
        }
        if ((got < 0 && errno != EINTR) || jf_deadline_left_ns(deadline) == 0)
            return false;
        poll(NULL, 0, POLL_MS);
    }
}

static enum jf_code ended(struct exec_stream *self, struct jf_error *err) {
    int status = 0;
    pid_t group = self->pid;
    if (group == 0 || !reap(self, END_S, &status))
        return jf_fail(err, JF_CLOSED, "the console's command closed its terminal");
    // What it has left behind has no terminal any more.
    kill(-group, SIGHUP);
    jf_fail(err, JF_CLOSED, "the console's command ended with %s %d",
            WIFSIGNALED(status) ? "signal" : "status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (err && self->last_len > 0) {
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used, "; its last line \"%.*s\"",
                 (int)self->last_len, self->last);
    }
    return JF_CLOSED;
}

static enum jf_code exec_read(struct jf_stream *stream, void *bytes, size_t len, size_t *ret_len,
                              struct jf_error *err) {
    struct exec_stream *self = (struct exec_stream *)stream;
    enum jf_code code = jf_stream_read_fd(stream->fd, bytes, len, ret_len, err);
    if (code == JF_CLOSED)
        return ended(self, err);
    remember(self, bytes, *ret_len);
    return code;
}

static ssize_t exec_write(struct jf_stream *stream, const void *bytes, size_t len) {
    return write(stream->fd, bytes, len);
}

static void exec_close(struct jf_stream *stream) {
    struct exec_stream *self = (struct exec_stream *)stream;
    int status;
    pid_t group = self->pid;
    if (group > 0) {
        kill(-group, SIGHUP);
        kill(-group, SIGCONT); // one that is stopped takes no signal
        if (!reap(self, END_S, &status)) {
            kill(-group, SIGKILL);
            reap(self, END_S, &status);
        }
    }
    if (self->slave >= 0)
        close(self->slave);
    if (stream->fd >= 0)
        close(stream->fd);
    free(self);
}

static const struct jf_stream_type exec_type = {
    .read = exec_read,
    .write = exec_write,
    .close = exec_close,
};

// Raw: what is typed reaches the command as it is, and is not echoed here.
static enum jf_code open_pty(struct exec_stream *self, char *path, size_t size,
                             struct jf_error *err) {
    struct termios settings;
    struct winsize window = {.ws_row = 24, .ws_col = 80};
    self->stream.fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (self->stream.fd < 0 || grantpt(self->stream.fd) != 0 || unlockpt(self->stream.fd) != 0 ||
        ptsname_r(self->stream.fd, path, size) != 0)
        return jf_fail_errno(err, errno, "exec: pty");
    self->slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (self->slave < 0 || tcgetattr(self->slave, &settings) != 0)
        return jf_fail_errno(err, errno, "exec: pty");
    cfmakeraw(&settings);
    if (tcsetattr(self->slave, TCSANOW, &settings) != 0)
        return jf_fail_errno(err, errno, "exec: pty");
    ioctl(self->slave, TIOCSWINSZ, &window);
    return JF_OK;
}

// The pty becomes the terminal of the new session since its leader opens it.
static int add_actions(posix_spawn_file_actions_t *actions, const char *path) {
    int failed = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, path, O_RDWR, 0);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDOUT_FILENO);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDERR_FILENO);
    // Descriptors of libraries may lack close-on-exec.
    return failed ? failed : posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

static void set_attributes(posix_spawnattr_t *attributes) {
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(attributes, &signals);
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(attributes, &signals);
    posix_spawnattr_setflags(attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
}

// Returns 0 or an errno.
static int start(struct exec_stream *self, const char *command, const char *path) {
    char *argv[] = {"sh", "-c", NULL, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid = 0;
    argv[2] = strdup(command);
    if (!argv[2])
        return ENOMEM;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    set_attributes(&attributes);
    int failed = add_actions(&actions, path);
    if (!failed)
        failed = posix_spawn(&pid, "/bin/sh", &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free(argv[2]);
    self->pid = failed ? 0 : pid;
    return failed;
}

enum jf_code jf_exec_open(const char *command, struct jf_stream **ret_stream,
                          struct jf_error *err) {
    char path[64];
    struct exec_stream *self = calloc(1, sizeof *self);
    if (!self)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    self->stream = (struct jf_stream){&exec_type, -1};
    self->slave = -1;
    enum jf_code code = open_pty(self, path, sizeof path, err);
    if (code == JF_OK) {
        int failed = start(self, command, path);
        code = failed ? jf_fail_errno(err, failed, "exec: sh") : JF_OK;
    }
    if (code != JF_OK) {
        exec_close(&self->stream);
        return code;
    }
    // From here on its end is the terminal's end.
    close(self->slave);
    self->slave = -1;
    *ret_stream = &self->stream;
    return JF_OK;
}
