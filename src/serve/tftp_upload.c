// SPDX-License-Identifier: Apache-2.0
#include "serve/tftp_upload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum jf_code jf_tftp_upload_open(struct jf_tftp_upload *upload, const char *path,
                                 uint64_t limit_bytes, bool netascii, struct jf_error *err) {
    *upload = (struct jf_tftp_upload){.fd = -1, .limit = limit_bytes, .netascii = netascii};
    char *temporary = NULL;
    upload->path = strdup(path);
    upload->digest = jf_digest_new();
    if (!upload->path || !upload->digest || asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    upload->fd = mkostemp(temporary, O_CLOEXEC);
    if (upload->fd < 0) {
        jf_fail_errno(err, errno, "create %s", temporary);
        free(temporary);
        return JF_IO;
    }
    upload->temporary = temporary;
    return JF_OK;
}

static enum jf_code append(struct jf_tftp_upload *upload, const uint8_t *bytes, size_t len,
                           struct jf_error *err) {
    if (len > upload->limit - upload->size)
        return jf_fail(err, JF_LIMIT, "more than %" PRIu64 " bytes", upload->limit);
    for (size_t done = 0; done < len;) {
        ssize_t wrote = write(upload->fd, bytes + done, len - done);
        if (wrote < 0 && errno != EINTR)
            return jf_fail_errno(err, errno, "write %s", upload->temporary);
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    jf_digest_update(upload->digest, bytes, len);
    upload->size += len;
    return JF_OK;
}

// CR LF becomes LF and CR NUL becomes CR, in place of `out`, which is never longer
// than the input plus a CR held back from the block before.
static size_t decode_netascii(struct jf_tftp_upload *upload, const uint8_t *bytes, size_t len,
                              uint8_t *out) {
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        if (upload->cr) {
            upload->cr = false;
            out[used++] = bytes[i] == '\n' ? '\n' : '\r';
            if (bytes[i] == '\n' || bytes[i] == '\0')
                continue;
        }
        if (bytes[i] == '\r')
            upload->cr = true;
        else
            out[used++] = bytes[i];
    }
    return used;
}

enum jf_code jf_tftp_upload_write(struct jf_tftp_upload *upload, const uint8_t *bytes, size_t len,
                                  struct jf_error *err) {
    if (!upload->netascii)
        return append(upload, bytes, len, err);
    uint8_t *text = malloc(len + 1);
    enum jf_code code = text ? append(upload, text, decode_netascii(upload, bytes, len, text), err)
                             : jf_fail(err, JF_LIMIT, "not enough memory");
    free(text);
    return code;
}

enum jf_code jf_tftp_upload_commit(struct jf_tftp_upload *upload,
                                   char ret_sha256[JF_SHA256_HEX_SIZE], struct jf_error *err) {
    enum jf_code code = upload->cr ? append(upload, (const uint8_t *)"\r", 1, err) : JF_OK;
    if (code != JF_OK)
        return code;
    upload->cr = false;
    int fd = upload->fd;
    upload->fd = -1;
    if (close(fd) != 0)
        return jf_fail_errno(err, errno, "close %s", upload->temporary);
    if (rename(upload->temporary, upload->path) != 0)
        return jf_fail_errno(err, errno, "rename %s to %s", upload->temporary, upload->path);
    free(upload->temporary);
    upload->temporary = NULL;
    jf_digest_hex(upload->digest, ret_sha256);
    return JF_OK;
}

void jf_tftp_upload_close(struct jf_tftp_upload *upload) {
    if (upload->fd >= 0)
        close(upload->fd);
    if (upload->temporary)
        unlink(upload->temporary);
    free(upload->temporary);
    free(upload->path);
    jf_digest_free(upload->digest);
    *upload = (struct jf_tftp_upload){.fd = -1};
}
