// SPDX-License-Identifier: Apache-2.0
#include "console/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <libserialport.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "console/device.h"
#include "console/termios_line.h"
#include "sys/account.h"
#include "sys/holder.h"
#include "sys/uucp_lock.h"

// How long close waits for what was sent to leave the port, e.g. when flow
// control holds it up; the kernel alone would wait for 30 s.
#define DRAIN_S 1.0
#define DRAIN_POLL_MS 5

struct tty {
    struct jf_stream stream;
    struct sp_port *port; // NULL when termios alone does it
    bool is_saved;
    struct termios saved;
    bool is_exclusive;
    bool hang_up;
    struct jf_uucp_lock lock;
};

static ssize_t tty_write(struct jf_stream *stream, const void *bytes, size_t len) {
    return write(stream->fd, bytes, len);
}

static enum jf_code tty_set_break(struct jf_stream *stream, bool on, const struct jf_cancel *cancel,
                                  struct jf_error *err) {
    (void)cancel;
    if (ioctl(stream->fd, on ? TIOCSBRK : TIOCCBRK) != 0)
        return jf_fail_errno(err, errno, "break");
    return JF_OK;
}

// A pty has no modem lines; its kernel says that in two ways.
static enum jf_code modem_failed(int sys_errno, struct jf_error *err) {
    if (sys_errno == ENOTTY || sys_errno == EINVAL)
        return jf_fail(err, JF_UNSUPPORTED, "this terminal has no modem lines");
    return jf_fail_errno(err, sys_errno, "modem lines");
}

static enum jf_code tty_set_modem(struct jf_stream *stream, unsigned mask, unsigned values,
                                  const struct jf_cancel *cancel, struct jf_error *err) {
    (void)cancel;
    int bits[2] = {0, 0}; // to lower, to raise
    if (mask & JF_MODEM_DTR)
        bits[(values & JF_MODEM_DTR) != 0] |= TIOCM_DTR;
    if (mask & JF_MODEM_RTS)
        bits[(values & JF_MODEM_RTS) != 0] |= TIOCM_RTS;
    if ((bits[0] && ioctl(stream->fd, TIOCMBIC, &bits[0]) != 0) ||
        (bits[1] && ioctl(stream->fd, TIOCMBIS, &bits[1]) != 0))
        return modem_failed(errno, err);
    return JF_OK;
}

static enum jf_code tty_get_modem(struct jf_stream *stream, struct jf_modem_state *ret_state,
                                  const struct jf_cancel *cancel, struct jf_error *err) {
    (void)cancel;
    static const struct {
        int bit;
        unsigned line;
    } lines[] = {
        {TIOCM_DTR, JF_MODEM_DTR}, {TIOCM_RTS, JF_MODEM_RTS}, {TIOCM_CTS, JF_MODEM_CTS},
        {TIOCM_DSR, JF_MODEM_DSR}, {TIOCM_CD, JF_MODEM_DCD},  {TIOCM_RI, JF_MODEM_RI},
    };
    int bits = 0;
    if (ioctl(stream->fd, TIOCMGET, &bits) != 0)
        return modem_failed(errno, err);
    *ret_state = (struct jf_modem_state){0};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ret_state->known |= lines[i].line;
        ret_state->raised |= bits & lines[i].bit ? lines[i].line : 0;
    }
    return JF_OK;
}

static void drain_output(int fd) {
    jf_deadline deadline = jf_deadline_in(DRAIN_S);
    int queued = 0;
    while (ioctl(fd, TIOCOUTQ, &queued) == 0 && queued > 0) {
        if (jf_deadline_left_ns(deadline) == 0) {
            tcflush(fd, TCOFLUSH);
            return;
        }
        poll(NULL, 0, DRAIN_POLL_MS);
    }
}

static enum jf_code tty_set_line(struct jf_stream *stream, const struct jf_line *line,
                                 const struct jf_cancel *cancel, struct jf_error *err);

static void tty_close(struct jf_stream *stream) {
    struct tty *tty = (struct tty *)stream;
    if (stream->fd >= 0) {
        drain_output(stream->fd);
        // TCSANOW: the other actions wait for the output without any limit.
        if (tty->is_saved)
            tcsetattr(stream->fd, TCSANOW, &tty->saved);
        if (tty->is_exclusive)
            ioctl(stream->fd, TIOCNXCL);
    }
    if (tty->port)
        sp_close(tty->port);
    else if (stream->fd >= 0)
        close(stream->fd);
    sp_free_port(tty->port);
    // Last: the port is free when the file that says so is.
    jf_uucp_lock_release(&tty->lock);
    free(tty);
}

static const struct jf_stream_type tty_type = {
    .write = tty_write,
    .set_break = tty_set_break,
    .set_modem = tty_set_modem,
    .get_modem = tty_get_modem,
    .set_line = tty_set_line,
    .close = tty_close,
};

// libserialport's message for its last failure, as an error of ours.
static enum jf_code port_failed(enum sp_return result, const char *what, struct jf_error *err) {
    int sys_errno = errno;
    if (result == SP_ERR_ARG || result == SP_ERR_SUPP)
        return jf_fail(err, JF_UNSUPPORTED, "%s: refused by the port", what);
    return jf_fail_errno(err, sys_errno, "%s", what);
}

static enum sp_parity port_parity(enum jf_parity parity) {
    static const enum sp_parity parities[] = {
        [JF_PARITY_NONE] = SP_PARITY_NONE,   [JF_PARITY_EVEN] = SP_PARITY_EVEN,
        [JF_PARITY_ODD] = SP_PARITY_ODD,     [JF_PARITY_MARK] = SP_PARITY_MARK,
        [JF_PARITY_SPACE] = SP_PARITY_SPACE,
    };
    return parities[parity];
}

static enum jf_code apply_to_port(struct sp_port *port, const struct jf_line *line,
                                  struct jf_error *err) {
    enum sp_return result = sp_set_baudrate(port, line->baudrate);
    if (result != SP_OK)
        return port_failed(result, "baud rate", err);
    result = sp_set_bits(port, line->bytesize);
    if (result == SP_OK)
        result = sp_set_parity(port, port_parity(line->parity));
    if (result == SP_OK)
        result = sp_set_stopbits(port, line->stopbits);
    return result == SP_OK ? JF_OK : port_failed(result, "line settings", err);
}

// What libserialport leaves open: a read without data must say EAGAIN, since 0
// means a hang-up here, and the descriptor must not reach child processes. And flow
// control: libserialport 0.1.1 puts CRTSCTS among the flags of the input, where it does
// nothing, and with XON and XOFF it sets IXANY, by which the next character of the board's
// would end the pause that its XOFF asked for.
static enum jf_code finish_settings(struct tty *tty, const struct jf_line *line,
                                    struct jf_error *err) {
    struct termios settings;
    int fd = tty->stream.fd;
    if (tcgetattr(fd, &settings) != 0)
        return jf_fail_errno(err, errno, "terminal settings");
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    enum jf_code code = jf_termios_set_flow(&settings, line, err);
    if (code != JF_OK)
        return code;
    if (!line->hang_up) {
        // Restoring the flag before the close would lower DTR after all.
        settings.c_cflag &= ~(tcflag_t)HUPCL;
        tty->saved.c_cflag &= ~(tcflag_t)HUPCL;
    }
    if (tcsetattr(fd, TCSANOW, &settings) != 0)
        return jf_fail_errno(err, errno, "terminal settings");
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return jf_fail_errno(err, errno, "fcntl");
    return JF_OK;
}

static enum jf_code apply(struct tty *tty, const struct jf_line *line, struct jf_error *err) {
    return tty->port ? apply_to_port(tty->port, line, err)
                     : jf_termios_apply(tty->stream.fd, line, err);
}

static enum jf_code tty_set_line(struct jf_stream *stream, const struct jf_line *line,
                                 const struct jf_cancel *cancel, struct jf_error *err) {
    (void)cancel;
    struct tty *tty = (struct tty *)stream;
    struct jf_line kept = *line;
    kept.hang_up = tty->hang_up;
    enum jf_code code = apply(tty, &kept, err);
    return code == JF_OK ? finish_settings(tty, &kept, err) : code;
}

static void add_signal(enum jf_signal signal, unsigned line, unsigned *mask, unsigned *values) {
    if (signal == JF_SIGNAL_ON || signal == JF_SIGNAL_OFF)
        *mask |= line;
    if (signal == JF_SIGNAL_ON)
        *values |= line;
}

static enum jf_code set_signals(struct tty *tty, const struct jf_line *line, struct jf_error *err) {
    unsigned mask = 0;
    unsigned values = 0;
    add_signal(line->dtr, JF_MODEM_DTR, &mask, &values);
    add_signal(line->rts, JF_MODEM_RTS, &mask, &values);
    return mask ? tty_set_modem(&tty->stream, mask, values, NULL, err) : JF_OK;
}

// Who else has the port: for sure by its lock, else by what is open.
static enum jf_code taken(const char *path, struct jf_error *err) {
    struct stat info;
    char holder[JF_HOLDER_SIZE];
    if (stat(path, &info) == 0 && jf_holder_of_flock(&info, holder))
        return jf_fail_errno(err, EBUSY, "taken by %s", holder);
    if (stat(path, &info) == 0 && jf_holder_of_device(&info, holder))
        return jf_fail_errno(err, EBUSY, "in use, open in %s", holder);
    return jf_fail_errno(err, EBUSY, "taken by another program");
}

static enum jf_code lock(struct tty *tty, const char *path, struct jf_error *err) {
    if (flock(tty->stream.fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? taken(path, err) : jf_fail_errno(err, errno, "lock");
    // Not of a pty: that stays exclusive until its other end closes, also for whoever
    // comes after one that was killed.
    tty->is_exclusive = tty->port && ioctl(tty->stream.fd, TIOCEXCL) == 0;
    return JF_OK;
}

// Lets libserialport have the port if it knows it; the descriptor of `tty` is
// then its own. Opened before our first descriptor goes, so that DTR stays up.
static enum jf_code adopt_port(struct tty *tty, const char *path, struct jf_error *err) {
    struct sp_port *port = NULL;
    if (sp_get_port_by_name(path, &port) != SP_OK)
        return JF_OK;
    int fd = -1;
    enum sp_return result = sp_open(port, SP_MODE_READ_WRITE);
    if (result == SP_OK && sp_get_port_handle(port, &fd) == SP_OK) {
        close(tty->stream.fd);
        tty->stream.fd = fd;
        tty->port = port;
        return JF_OK;
    }
    enum jf_code code = JF_OK;
    if (result == SP_ERR_FAIL && errno == EBUSY)
        code = taken(path, err);
    sp_free_port(port); // termios does it
    return code;
}

static enum jf_code set_up(struct tty *tty, const char *path, const struct jf_line *line,
                           struct jf_error *err) {
    if (tcgetattr(tty->stream.fd, &tty->saved) != 0)
        return jf_fail(err, JF_UNSUPPORTED, "not a terminal");
    enum jf_code code = adopt_port(tty, path, err);
    if (code == JF_OK)
        code = lock(tty, path, err);
    if (code != JF_OK)
        return code;
    tty->is_saved = true;
    tty->hang_up = line->hang_up;
    // First of all, so that the board sees as little as possible of the other state.
    code = set_signals(tty, line, err);
    if (code == JF_OK)
        code = apply(tty, line, err);
    return code == JF_OK ? finish_settings(tty, line, err) : code;
}

// Whose the device is, for those who may not open it.
static enum jf_code denied(const char *path, const struct stat *info, int sys_errno,
                           struct jf_error *err) {
    char user[JF_USER_SIZE];
    char group[JF_GROUP_SIZE];
    jf_user_name(info->st_uid, user);
    jf_group_name(info->st_gid, group);
    return jf_fail_errno(err, sys_errno, "%s is of user %s and group %s, mode %04o", path, user,
                         group, (unsigned)info->st_mode & 07777U);
}

static enum jf_code open_device(const char *path, int *ret_fd, struct jf_error *err) {
    struct stat info = {0};
    if (stat(path, &info) == 0 && !S_ISCHR(info.st_mode))
        return jf_fail(err, JF_UNSUPPORTED, "not a character device");
    *ret_fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (*ret_fd >= 0)
        return JF_OK;
    int sys_errno = errno;
    if (sys_errno == EBUSY)
        return taken(path, err);
    if (sys_errno == EACCES || sys_errno == EPERM)
        return denied(path, &info, sys_errno, err);
    return jf_fail_errno(err, sys_errno, "open");
}

static enum jf_code open_tty(const char *path, const struct jf_line *line,
                             struct jf_stream **ret_stream, struct jf_error *err) {
    struct tty *tty = calloc(1, sizeof *tty);
    if (!tty)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    tty->stream = (struct jf_stream){&tty_type, -1};
    // Before the port is opened: that alone raises DTR and RTS.
    enum jf_code code = jf_uucp_lock_take(JF_UUCP_LOCK_DIR, path, &tty->lock, err);
    if (code == JF_OK)
        code = open_device(path, &tty->stream.fd, err);
    if (code == JF_OK)
        code = set_up(tty, path, line, err);
    if (code == JF_OK)
        *ret_stream = &tty->stream;
    else
        tty_close(&tty->stream);
    return code;
}

enum jf_code jf_tty_find(const char *path, char ret_node[PATH_MAX], struct jf_error *err) {
    char *found = NULL;
    if (!jf_device_is_name(path))
        return jf_fail(err, JF_UNSUPPORTED, "%s: no name of a terminal", path);
    enum jf_code code = jf_device_find(path, NULL, &found, err);
    if (code == JF_OK && !realpath(found, ret_node))
        code = jf_fail_errno(err, errno, "open");
    free(found);
    return code;
}

enum jf_code jf_tty_open(const char *path, const struct jf_line *line,
                         struct jf_stream **ret_stream, struct jf_error *err) {
    // libserialport knows /dev/ttyUSB0, not its names under /dev/serial/by-id.
    char node[PATH_MAX];
    enum jf_code code = jf_tty_find(path, node, err);
    return code == JF_OK ? open_tty(node, line, ret_stream, err) : code;
}
