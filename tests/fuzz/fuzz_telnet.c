// SPDX-License-Identifier: Apache-2.0
//
// Input: what a telnet server sends. However it is cut, the data and the RFC 2217
// commands in it are the same; the answers stay within bounds; what is encoded comes
// back when it is decoded.
#include <stdlib.h>
#include <string.h>

#include "console/rfc2217.h"
#include "console/telnet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

// The commands, for comparison.
struct seen {
    size_t count;
    uint64_t sum;
};

static void take_sub(void *context, uint8_t option, const uint8_t *bytes, size_t len) {
    struct seen *seen = context;
    struct jf_rfc2217_request request;
    struct jf_rfc2217_request again;
    uint8_t encoded[JF_RFC2217_MAX];
    if (option != JF_TELNET_COM_PORT || !jf_rfc2217_decode(bytes, len, &request))
        return;
    seen->count++;
    seen->sum = 31 * seen->sum + ((uint64_t)request.command << 32 | request.value);
    size_t size = jf_rfc2217_encode(request, encoded);
    if (!jf_rfc2217_decode(encoded, size, &again) || again.value != request.value)
        abort();
    struct jf_error err;
    if (jf_rfc2217_check(request, request.value, &err) != JF_OK ||
        jf_rfc2217_check(request, request.value ^ 64, &err) != JF_PROTOCOL)
        abort();
}

static size_t take_whole(const uint8_t *data, size_t len, uint8_t *out, struct seen *seen) {
    struct jf_telnet telnet = {.on_sub = take_sub, .context = seen};
    if (!jf_telnet_start(&telnet, true))
        abort();
    memcpy(out, data, len);
    size_t kept = jf_telnet_take(&telnet, out, len);
    if (kept > len || telnet.answers.len > JF_TELNET_ANSWERS_MAX + 3)
        abort();
    jf_telnet_free(&telnet);
    return kept;
}

static size_t take_bytewise(const uint8_t *data, size_t len, uint8_t *out, struct seen *seen) {
    struct jf_telnet telnet = {.on_sub = take_sub, .context = seen};
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
        struct seen at_once = {0};
        struct seen by_bytes = {0};
        size_t kept = take_whole(data, len, whole, &at_once);
        if (take_bytewise(data, len, pieces, &by_bytes) != kept || memcmp(whole, pieces, kept) != 0)
            abort();
        if (at_once.count != by_bytes.count || at_once.sum != by_bytes.sum)
            abort();
        check_round_trip(data, len, whole);
    }
    free(whole);
    free(pieces);
    return 0;
}
