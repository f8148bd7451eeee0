// SPDX-License-Identifier: Apache-2.0
#include "net/download.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/download_internal.h"

#define FILE_MODE 0600

// Copies of the caller's strings.

static bool copy(const char **text) {
    if (!*text)
        return true;
    *text = strdup(*text);
    return *text != NULL;
}

static bool copy_headers(const char *const **headers) {
    size_t count = 0;
    while (*headers && (*headers)[count])
        count++;
    char **copies = calloc(count + 1, sizeof *copies);
    const char *const *given = *headers;
    *headers = (const char *const *)copies;
    for (size_t i = 0; copies && i < count; i++) {
        copies[i] = strdup(given[i]);
        if (!copies[i])
            return false;
    }
    return copies != NULL;
}

// On failure the options hold NULL or copies only: each is tried.
static bool copy_strings(struct jf_download_options *options) {
    struct jf_http_request *request = &options->request;
    const char **texts[] = {
        &options->file,     &request->name,          &request->url,
        &request->bearer,   &request->cacert,        &request->user_agent,
        &request->if_range, &request->if_none_match, &request->if_modified_since,
        &options->sha256,   &request->accept,        &request->user,
        &request->password};
    bool ok = copy_headers(&request->headers);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ok = copy(texts[i]) && ok;
    return ok;
}

static void free_secret(const char *text) {
    if (text)
        explicit_bzero((char *)text, strlen(text));
    free((char *)text);
}

static void free_strings(struct jf_download_options *options) {
    struct jf_http_request *request = &options->request;
    for (size_t i = 0; request->headers && request->headers[i]; i++)
        free_secret(request->headers[i]);
    free((void *)request->headers);
    free_secret(request->bearer);
    free_secret(request->url);
    free_secret(request->user);
    free_secret(request->password);
    free((char *)options->file);
    free((char *)request->name);
    free((char *)request->cacert);
    free((char *)request->user_agent);
    free((char *)request->if_range);
    free((char *)request->if_none_match);
    free((char *)request->if_modified_since);
    free((char *)request->accept);
    free((char *)options->sha256);
}

// Start and end.

static void free_download(struct jf_download *download) {
    if (download->options.getter.unref)
        download->options.getter.unref(download->options.getter.owner);
    jf_curl_unload(&download->curl);
    free_strings(&download->options);
    jf_digest_free(download->digest);
    jf_cancel_free(download->cancel);
    if (download->fd >= 0)
        close(download->fd);
    pthread_mutex_destroy(&download->lock);
    free(download);
}

static struct jf_download *new_download(const struct jf_download_options *options) {
    struct jf_download *download = calloc(1, sizeof *download);
    if (!download)
        return NULL;
    atomic_init(&download->references, 1);
    pthread_mutex_init(&download->lock, NULL);
    download->fd = -1;
    download->options = *options;
    download->progress.total = -1;
    download->cancel = jf_cancel_new();
    download->digest = jf_digest_new();
    if (options->getter.ref)
        options->getter.ref(options->getter.owner);
    if (copy_strings(&download->options) && download->cancel && download->digest)
        return download;
    free_download(download);
    return NULL;
}

static enum jf_code open_file(struct jf_download *download, struct jf_error *err) {
    const char *path = download->options.file;
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    download->fd = open(path, flags, FILE_MODE);
    if (download->fd < 0)
        return jf_fail_errno(err, errno, "%s: cannot open it for a download", path);
    if (ftruncate(download->fd, (off_t)download->options.request.offset) != 0)
        return jf_fail_errno(err, errno, "%s: cannot set its size", path);
    return JF_OK;
}

static enum jf_code start_thread(struct jf_download *download, struct jf_error *err) {
    // Signals are for the main thread; threads inherit the mask.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&download->thread, NULL, jf_download_fetch, download);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        return JF_OK;
    return jf_fail_errno(err, failed, "%s: cannot start a thread", download->options.request.name);
}

enum jf_code jf_download_start(const struct jf_download_options *options,
                               struct jf_download **ret_download, struct jf_error *err) {
    struct jf_download *download = new_download(options);
    if (!download)
        return jf_fail(err, JF_LIMIT, "not enough memory or descriptors");
    enum jf_code code = jf_curl_load(&download->curl, err);
    if (code == JF_OK)
        code = open_file(download, err);
    if (code == JF_OK)
        code = start_thread(download, err);
    if (code == JF_OK)
        *ret_download = download;
    else
        free_download(download);
    return code;
}

struct jf_download *jf_download_ref(struct jf_download *download) {
    atomic_fetch_add(&download->references, 1);
    return download;
}

void jf_download_unref(struct jf_download *download) {
    if (!download || atomic_fetch_sub(&download->references, 1) != 1)
        return;
    jf_cancel_request(download->cancel, SIGTERM);
    pthread_join(download->thread, NULL);
    free_download(download);
}

// Waiting.

void jf_download_tell(struct jf_download *download) {
    for (struct jf_download_waiter *waiter = download->waiters; waiter; waiter = waiter->next)
        jf_event_raise(&waiter->news);
}

static void remove_waiter(struct jf_download *download, struct jf_download_waiter *waiter) {
    struct jf_download_waiter **place = &download->waiters;
    while (*place != waiter)
        place = &(*place)->next;
    *place = waiter->next;
}

// Whether what is waited for is there. With the lock.
typedef bool condition(const struct jf_download_progress *progress, uint64_t offset);

static bool is_answered(const struct jf_download_progress *progress, uint64_t offset) {
    (void)offset;
    return progress->answered || progress->done;
}

static bool is_done(const struct jf_download_progress *progress, uint64_t offset) {
    (void)offset;
    return progress->done;
}

static bool is_readable(const struct jf_download_progress *progress, uint64_t offset) {
    return progress->done || progress->bytes > offset;
}

// With the lock, which is released meanwhile. An event of its own per waiter lets it
// watch its cancellation in the same wait.
static enum jf_code await(struct jf_download *download, condition *holds, uint64_t offset,
                          jf_deadline deadline, const struct jf_cancel *cancel,
                          struct jf_error *err) {
    if (holds(&download->progress, offset))
        return JF_OK;
    struct jf_download_waiter waiter = {.next = download->waiters};
    enum jf_code code = jf_event_open(&waiter.news, err);
    if (code != JF_OK)
        return code;
    // Taken out again below.
    // cppcheck-suppress autoVariables
    download->waiters = &waiter;
    while (code == JF_OK && !holds(&download->progress, offset)) {
        pthread_mutex_unlock(&download->lock);
        code = jf_event_wait(&waiter.news, deadline, cancel, err);
        jf_event_lower(&waiter.news);
        pthread_mutex_lock(&download->lock);
    }
    remove_waiter(download, &waiter);
    jf_event_close(&waiter.news);
    if (code != JF_OK)
        jf_prefix(err, "%s: %" PRIu64 " bytes so far", download->options.request.name,
                  download->progress.bytes);
    return code;
}

static enum jf_code wait_for(struct jf_download *download, condition *holds, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_error *err) {
    pthread_mutex_lock(&download->lock);
    enum jf_code code = await(download, holds, 0, deadline, cancel, err);
    pthread_mutex_unlock(&download->lock);
    return code;
}

enum jf_code jf_download_wait_answer(struct jf_download *download, jf_deadline deadline,
                                     const struct jf_cancel *cancel, struct jf_error *err) {
    return wait_for(download, is_answered, deadline, cancel, err);
}

enum jf_code jf_download_wait(struct jf_download *download, jf_deadline deadline,
                              const struct jf_cancel *cancel, struct jf_error *err) {
    return wait_for(download, is_done, deadline, cancel, err);
}

// Looking.

void jf_download_progress(struct jf_download *download, struct jf_download_progress *ret_progress) {
    pthread_mutex_lock(&download->lock);
    *ret_progress = download->progress;
    pthread_mutex_unlock(&download->lock);
}

int64_t jf_download_size(struct jf_download *download) {
    struct jf_download_progress progress;
    jf_download_progress(download, &progress);
    return progress.total;
}

enum jf_code jf_download_result(struct jf_download *download, struct jf_download_result *ret_result,
                                struct jf_error *err) {
    pthread_mutex_lock(&download->lock);
    enum jf_code code = download->failure.code;
    *ret_result = download->result;
    ret_result->bytes = download->progress.bytes;
    if (!download->progress.done)
        code =
            jf_fail(err, JF_TIMEOUT, "%s: is still being fetched", download->options.request.name);
    else if (code != JF_OK)
        *err = download->failure;
    pthread_mutex_unlock(&download->lock);
    return code;
}

static enum jf_code read_file(const struct jf_download *download, uint64_t offset, void *bytes,
                              size_t len, size_t *ret_len, struct jf_error *err) {
    ssize_t got;
    do {
        got = pread(download->fd, bytes, len, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return jf_fail_errno(err, errno, "%s: read at byte %" PRIu64, download->options.file,
                             offset);
    if (got == 0)
        return jf_fail(err, JF_IO, "%s: became shorter while it was read", download->options.file);
    *ret_len = (size_t)got;
    return JF_OK;
}

enum jf_code jf_download_read(struct jf_download *download, uint64_t offset, void *bytes,
                              size_t len, jf_deadline deadline, const struct jf_cancel *cancel,
                              size_t *ret_len, struct jf_error *err) {
    *ret_len = 0;
    pthread_mutex_lock(&download->lock);
    enum jf_code code = await(download, is_readable, offset, deadline, cancel, err);
    uint64_t arrived = download->progress.bytes;
    if (code == JF_OK && arrived <= offset && download->progress.failed) {
        *err = download->failure;
        code = err->code;
    }
    pthread_mutex_unlock(&download->lock);
    if (code != JF_OK || arrived <= offset)
        return code;
    uint64_t left = arrived - offset;
    return read_file(download, offset, bytes, len < left ? len : (size_t)left, ret_len, err);
}
