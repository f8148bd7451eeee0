// SPDX-License-Identifier: Apache-2.0
#include "console/stream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool is_hang_up(int sys_errno) {
    switch (sys_errno) {
    case EIO: // the other end of a pty was closed, or a USB adapter pulled out
    case ENXIO:
    case ENODEV:
    case EPIPE:
    case ECONNRESET:
    case ETIMEDOUT: // TCP's keep-alive found nobody
        return true;
    default:
        return false;
    }
}

static enum jf_code failed(int sys_errno, const char *what, struct jf_error *err) {
    if (sys_errno == EAGAIN || sys_errno == EINTR)
        return JF_OK;
    if (is_hang_up(sys_errno))
        return jf_fail(err, JF_CLOSED, "the other side hung up (%s)", strerrordesc_np(sys_errno));
    return jf_fail_errno(err, sys_errno, "%s", what);
}

enum jf_code jf_stream_read_fd(int fd, void *bytes, size_t len, size_t *ret_len,
                               struct jf_error *err) {
    ssize_t got = read(fd, bytes, len);
    *ret_len = got > 0 ? (size_t)got : 0;
    if (got == 0)
        return jf_fail(err, JF_CLOSED, "the other side hung up");
    return got < 0 ? failed(errno, "read", err) : JF_OK;
}

enum jf_code jf_stream_read(struct jf_stream *stream, void *bytes, size_t len, size_t *ret_len,
                            struct jf_error *err) {
    if (stream->type->read)
        return stream->type->read(stream, bytes, len, ret_len, err);
    return jf_stream_read_fd(stream->fd, bytes, len, ret_len, err);
}

enum jf_code jf_stream_write(struct jf_stream *stream, const void *bytes, size_t len,
                             size_t *ret_len, struct jf_error *err) {
    ssize_t put = stream->type->write(stream, bytes, len);
    *ret_len = put > 0 ? (size_t)put : 0;
    return put < 0 ? failed(errno, "write", err) : JF_OK;
}

enum jf_code jf_stream_set_break(struct jf_stream *stream, bool on, const struct jf_cancel *cancel,
                                 struct jf_error *err) {
    if (!stream->type->set_break)
        return jf_fail(err, JF_UNSUPPORTED, "this console carries no break");
    return stream->type->set_break(stream, on, cancel, err);
}

enum jf_code jf_stream_set_modem(struct jf_stream *stream, unsigned mask, unsigned values,
                                 const struct jf_cancel *cancel, struct jf_error *err) {
    if (!stream->type->set_modem)
        return jf_fail(err, JF_UNSUPPORTED, "this console has no modem lines");
    return stream->type->set_modem(stream, mask, values, cancel, err);
}

enum jf_code jf_stream_get_modem(struct jf_stream *stream, struct jf_modem_state *ret_state,
                                 const struct jf_cancel *cancel, struct jf_error *err) {
    if (!stream->type->get_modem)
        return jf_fail(err, JF_UNSUPPORTED, "this console has no modem lines");
    return stream->type->get_modem(stream, ret_state, cancel, err);
}

enum jf_code jf_stream_set_line(struct jf_stream *stream, const struct jf_line *line,
                                const struct jf_cancel *cancel, struct jf_error *err) {
    if (!stream->type->set_line)
        return jf_fail(err, JF_UNSUPPORTED, "this console has no line settings");
    return stream->type->set_line(stream, line, cancel, err);
}

void jf_stream_purge(struct jf_stream *stream, const struct jf_cancel *cancel) {
    if (stream->type->purge)
        stream->type->purge(stream, cancel);
}

void jf_stream_close(struct jf_stream *stream) {
    if (stream)
        stream->type->close(stream);
}
