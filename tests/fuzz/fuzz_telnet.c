// SPDX-License-Identifier: Apache-2.0
//
// Input: what a telnet server sends. However it is cut, the data is the same; the
// answers stay within bounds; what is encoded comes back when it is decoded.
#include <stdlib.h>
#include <string.h>

#include "console/telnet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t take_whole(const uint8_t *data, size_t len, uint8_t *out) {
    struct jf_telnet telnet = {0};
    if (!jf_telnet_start(&telnet, true))
        abort();
    memcpy(out, data, len);
    size_t kept = jf_telnet_take(&telnet, out, len);
    if (kept > len || telnet.answers.len > JF_TELNET_ANSWERS_MAX + 3)
        abort();
    jf_telnet_free(&telnet);
    return kept;
}

static size_t take_bytewise(const uint8_t *data, size_t len, uint8_t *out) {
    struct jf_telnet telnet = {0};
    if (!jf_telnet_start(&telnet, true))
        abort();
    size_t kept = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = data[i];
        if (jf_telnet_take(&telnet, &byte, 1) == 1)
            out[kept++] = byte;
    }
    jf_telnet_free(&telnet);
    return kept;
}

// Our encoding, read by a peer that is no more binary than we are.
static void check_round_trip(const uint8_t *data, size_t len, uint8_t *out) {
    struct jf_telnet ours = {0};
    struct jf_telnet peer = {0};
    size_t size = 0;
    for (size_t i = 0; i < len; i++)
        size += jf_telnet_encode(&ours, data[i], i + 1 < len ? data[i + 1] : -1, out + size);
    if (jf_telnet_take(&peer, out, size) != len || memcmp(out, data, len) != 0)
        abort();
    jf_telnet_free(&peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    uint8_t *whole = malloc(2 * len + 1);
    uint8_t *pieces = malloc(len + 1);
    if (whole && pieces) {
        size_t kept = take_whole(data, len, whole);
        if (take_bytewise(data, len, pieces) != kept || memcmp(whole, pieces, kept) != 0)
            abort();
        check_round_trip(data, len, whole);
    }
    free(whole);
    free(pieces);
    return 0;
}
