// SPDX-License-Identifier: Apache-2.0
#include "console/transcript.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "console/escape.h"

struct jf_transcript {
    int fd;
    int64_t start_ns;
    struct jf_redactor *redactor;
    struct jf_redact_stream streams[2]; // by direction
    struct jf_buf shown;                // redacted, to be written
    struct jf_buf lines;                // formatted
    bool in_line;                       // the file's last line has no end yet
    enum jf_direction direction;        // of that line
    struct jf_error failure;
};

static void fail_once(struct jf_transcript *transcript, int sys_errno) {
    if (transcript->failure.code == JF_OK)
        jf_fail_errno(&transcript->failure, sys_errno, "transcript: write");
}

static void write_lines(struct jf_transcript *transcript) {
    const char *at = transcript->lines.data;
    size_t left = transcript->lines.len;
    while (left > 0) {
        ssize_t put = write(transcript->fd, at, left);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            fail_once(transcript, errno);
            break;
        }
        at += put;
        left -= (size_t)put;
    }
    transcript->lines.len = 0;
}

static bool begin_line(struct jf_transcript *transcript, enum jf_direction direction) {
    if (transcript->in_line && transcript->direction == direction)
        return true;
    double seconds = (double)(jf_now_ns() - transcript->start_ns) / 1e9;
    const char *end = transcript->in_line ? "\n" : "";
    transcript->in_line = true;
    transcript->direction = direction;
    return jf_buf_addf(&transcript->lines, "%s%12.6f %c ", end, seconds,
                       direction == JF_SENT ? '>' : '<');
}

static bool format(struct jf_transcript *transcript, enum jf_direction direction) {
    const char *at = transcript->shown.data;
    const char *end = at + transcript->shown.len;
    while (at < end) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        const char *stop = feed ? feed + 1 : end;
        if (!begin_line(transcript, direction) ||
            !jf_escape(&transcript->lines, at, (size_t)(stop - at)))
            return false;
        if (feed) {
            transcript->in_line = false;
            if (!jf_buf_add(&transcript->lines, "\n", 1))
                return false;
        }
        at = stop;
    }
    return true;
}

static void add(struct jf_transcript *transcript, enum jf_direction direction, const char *bytes,
                size_t len, bool flush) {
    transcript->shown.len = 0;
    bool ok = jf_redact_stream_add(transcript->redactor, &transcript->streams[direction], bytes,
                                   len, flush, &transcript->shown);
    if (ok && transcript->shown.len > 0)
        ok = format(transcript, direction);
    if (!ok)
        fail_once(transcript, ENOMEM);
    write_lines(transcript);
}

void jf_transcript_add(struct jf_transcript *transcript, enum jf_direction direction,
                       const char *bytes, size_t len) {
    add(transcript, direction, bytes, len, false);
}

static void add_header(struct jf_transcript *transcript, const char *name) {
    time_t now = time(NULL);
    struct tm utc;
    char text[32] = "";
    if (gmtime_r(&now, &utc))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    if (!jf_buf_addf(&transcript->lines, "# %s, %s\n", name, text))
        fail_once(transcript, ENOMEM);
    write_lines(transcript);
}

// O_NONBLOCK: opening a FIFO must not wait for its reader.
static int open_file(const char *path, struct jf_error *err) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        jf_fail_errno(err, errno, "transcript %s", path);
    } else if (!S_ISREG(info.st_mode)) {
        jf_fail(err, JF_UNSUPPORTED, "transcript %s: not a regular file", path);
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

enum jf_code jf_transcript_open(const char *path, const char *name, struct jf_redactor *redactor,
                                struct jf_transcript **ret_transcript, struct jf_error *err) {
    struct jf_error reason;
    int fd = open_file(path, &reason);
    if (fd < 0) {
        if (err)
            *err = reason;
        return reason.code;
    }
    struct jf_transcript *transcript = calloc(1, sizeof *transcript);
    if (!transcript) {
        close(fd);
        return jf_fail(err, JF_LIMIT, "not enough memory");
    }
    transcript->fd = fd;
    transcript->start_ns = jf_now_ns();
    transcript->redactor = redactor;
    add_header(transcript, name);
    *ret_transcript = transcript;
    return JF_OK;
}

void jf_transcript_close(struct jf_transcript *transcript) {
    if (!transcript)
        return;
    add(transcript, JF_RECEIVED, "", 0, true);
    add(transcript, JF_SENT, "", 0, true);
    if (transcript->in_line && jf_buf_add(&transcript->lines, "\n", 1))
        write_lines(transcript);
    close(transcript->fd);
    jf_redact_stream_free(&transcript->streams[JF_RECEIVED]);
    jf_redact_stream_free(&transcript->streams[JF_SENT]);
    jf_buf_free(&transcript->shown);
    jf_buf_free(&transcript->lines);
    free(transcript);
}

const struct jf_error *jf_transcript_failure(const struct jf_transcript *transcript) {
    return &transcript->failure;
}
