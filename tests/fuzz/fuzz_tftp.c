// SPDX-License-Identifier: Apache-2.0
//
// A client's packets into the protocol: the request, its options, then a transfer
// without a network (its socket is closed, so that all it sends is lost). Input: a
// request, and events, each "pause (1 byte, in 1/4 of the square, ms), length (2
// bytes), packet".
#undef NDEBUG // the checks are the point
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "serve/tftp_transfer.h"

#define CONTENT_SIZE 20000 // 40 blocks of 512
#define MS 1000000LL

struct input {
    const uint8_t *at;
    size_t left;
};

// The next packet as an allocation of its own; NULL at the end.
static uint8_t *next_packet(struct input *input, size_t *ret_len) {
    if (input->left < 2)
        return NULL;
    size_t len = (size_t)(input->at[0] << 8 | input->at[1]);
    input->at += 2;
    input->left -= 2;
    len = len < input->left ? len : input->left;
    uint8_t *packet = malloc(len + 1);
    if (!packet)
        return NULL;
    memcpy(packet, input->at, len);
    input->at += len;
    input->left -= len;
    *ret_len = len;
    return packet;
}

static void check(const struct jf_tftp_transfer *transfer) {
    const struct jf_tftp_info *info = transfer->info;
    const struct jf_tftp_sender *sender = &transfer->sender;
    assert(memchr(info->error, '\0', sizeof info->error));
    if (info->write) {
        assert(info->bytes <= transfer->upload.limit || transfer->over);
        return;
    }
    assert(info->bytes <= info->total);
    assert(sender->base <= sender->high && sender->high <= sender->base + sender->windowsize);
    assert(sender->next > sender->base && sender->high <= sender->last);
}

static void converse(struct jf_tftp_transfer *transfer, struct jf_tftp_scratch *scratch,
                     struct input *input) {
    int64_t now_ns = MS;
    while (!transfer->over && input->left > 0) {
        int64_t pause = *input->at++;
        input->left--;
        now_ns += pause * pause / 4 * MS;
        jf_tftp_transfer_tick(transfer, scratch, now_ns);
        size_t len;
        uint8_t *packet = next_packet(input, &len);
        if (packet)
            jf_tftp_transfer_packet(transfer, scratch, packet, len, now_ns);
        free(packet);
        check(transfer);
    }
}

static void begin(struct jf_tftp_transfer *transfer, struct jf_tftp_scratch *scratch,
                  const struct jf_tftp_request *request, const struct jf_tftp_terms *terms) {
    struct jf_tftp_timer timer;
    jf_tftp_timer_start(&timer, terms->timeout_s, 30000 * MS, MS);
    if (request->write) {
        transfer->upload = (struct jf_tftp_upload){
            .fd = memfd_create("upload", MFD_CLOEXEC),
            .path = strdup("/proc/none/file"),
            .temporary = strdup("/proc/none/file.tmp"), // committing always fails
            .limit = CONTENT_SIZE,
            .netascii = request->netascii,
            .digest = jf_digest_new(),
        };
        jf_tftp_transfer_write(transfer, &timer, MS);
        return;
    }
    static const char text[] = "one\ntwo\r\n";
    uint8_t *bytes = malloc(CONTENT_SIZE);
    for (size_t i = 0; bytes && i < CONTENT_SIZE; i++)
        bytes[i] = (uint8_t)text[i % (sizeof text - 1)];
    struct jf_content *content = jf_content_from_bytes(bytes, bytes ? CONTENT_SIZE : 0);
    free(bytes);
    transfer->info->total = jf_content_size(content);
    jf_tftp_transfer_read(transfer, scratch, content, request->netascii, &timer, MS);
    jf_content_unref(content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    struct jf_tftp_request request;
    struct jf_tftp_refusal refusal;
    struct jf_tftp_terms terms;
    struct jf_tftp_limits limits = {65464, 64, true, CONTENT_SIZE};
    struct jf_tftp_link link = {.fd = -1, .own = true, .segments = true};
    size_t len;
    uint8_t *packet = next_packet(&input, &len);
    bool good = packet && jf_tftp_parse_request(packet, len, &request, &refusal);
    free(packet);
    if (!good)
        return 0;
    jf_tftp_negotiate(&request, &limits, &terms);
    assert(terms.oack_len <= sizeof terms.oack);

    struct jf_tftp_info info = {
        .write = request.write, .blksize = terms.blksize, .windowsize = terms.windowsize};
    static struct jf_tftp_scratch scratch; // nothing outlives a call in it
    struct jf_tftp_transfer *transfer = jf_tftp_transfer_new(&link, &terms, &info);
    if (transfer) {
        begin(transfer, &scratch, &request, &terms);
        check(transfer);
        converse(transfer, &scratch, &input);
    }
    jf_tftp_transfer_free(transfer);
    return 0;
}
