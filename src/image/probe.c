// SPDX-License-Identifier: Apache-2.0
#include "image/probe.h"

#include <stdlib.h>
#include <string.h>

#include "image/decoder.h"
#include "image/pipeline.h"

#define BUFFER_SIZE ((size_t)64 << 10)

struct scratch {
    unsigned char in[BUFFER_SIZE];
    unsigned char out[BUFFER_SIZE];
    unsigned char head[JF_FORMAT_HEAD_SIZE]; // of the decoded bytes
    size_t head_len;
};

struct look {
    struct jf_source *source;
    struct jf_source_wait wait;
    struct jf_decoder *decoder;
    struct jf_decoder_io io;
    uint64_t offset;
    uint64_t decoded;
    struct scratch *scratch;
};

static enum jf_code refill(struct look *look, struct jf_error *err) {
    size_t len = 0;
    enum jf_code code = jf_source_read(look->source, look->offset, look->scratch->in, BUFFER_SIZE,
                                       &look->wait, &len, err);
    look->offset += len;
    look->io.in = look->scratch->in;
    look->io.in_len = len;
    look->io.in_end = len == 0;
    return code;
}

static void keep_head(struct look *look, size_t made) {
    struct scratch *scratch = look->scratch;
    size_t room = sizeof scratch->head - scratch->head_len;
    size_t len = made < room ? made : room;
    memcpy(scratch->head + scratch->head_len, scratch->out, len);
    scratch->head_len += len;
}

static enum jf_code decode_head(struct look *look, struct jf_error *err) {
    enum jf_code code = JF_OK;
    for (bool end = false; code == JF_OK && !end;) {
        if (look->decoded >= JF_PROBE_BYTES || look->offset >= JF_PROBE_BYTES)
            return JF_OK;
        if (!look->io.in_len && !look->io.in_end)
            code = refill(look, err);
        if (code != JF_OK)
            return code;
        look->io.out = look->scratch->out;
        look->io.out_len = BUFFER_SIZE;
        code = jf_decoder_run(look->decoder, &look->io, &end, err);
        size_t made = BUFFER_SIZE - look->io.out_len;
        look->decoded += made;
        keep_head(look, made);
        if (code != JF_OK)
            jf_prefix(err, "%s", jf_source_name(look->source));
        else if (end && look->decoded == 0)
            code = jf_fail(err, JF_CLOSED, "%s: the compressed data holds nothing",
                           jf_source_name(look->source));
    }
    return code;
}

// The container inside is told first: "holds a tar archive" says more than the
// damage that a look at its bytes found.
static enum jf_code look_inside(struct look *look, struct jf_probe *probe, struct jf_error *err) {
    enum jf_code code = decode_head(look, err);
    probe->decoded_head_bytes = look->decoded;
    if (look->scratch->head_len)
        probe->inner = jf_format_detect(look->scratch->head, look->scratch->head_len);
    if (probe->inner == JF_FORMAT_AUTO || probe->inner == JF_FORMAT_RAW)
        return code;
    return jf_format_check(probe->format, probe->inner, jf_source_name(look->source), probe->hint,
                           err);
}

static enum jf_code probe_compressed(struct look *look, uint64_t memlimit_bytes,
                                     struct jf_probe *probe, struct jf_error *err) {
    struct jf_decoder_options options = {
        .format = probe->format,
        .threads = 1,
        .memlimit_bytes = memlimit_bytes ? memlimit_bytes : JF_PIPELINE_MEMLIMIT,
    };
    enum jf_code code = jf_decoder_new(&options, &look->decoder, err);
    if (code != JF_OK)
        return jf_prefix(err, "%s", jf_source_name(look->source));
    look->scratch = calloc(1, sizeof *look->scratch);
    code =
        look->scratch ? look_inside(look, probe, err) : jf_fail(err, JF_LIMIT, "not enough memory");
    free(look->scratch);
    jf_decoder_free(look->decoder);
    return code;
}

enum jf_code jf_probe(struct jf_source *source, const struct jf_probe_options *options,
                      jf_deadline deadline, const struct jf_cancel *cancel,
                      struct jf_probe *ret_probe, struct jf_error *err) {
    *ret_probe = (struct jf_probe){.format = options->format};
    const char *name = jf_source_name(source);
    struct look look = {
        .source = source,
        .wait = {.deadline = deadline, .cancel = cancel, .keep = true},
    };
    unsigned char head[JF_FORMAT_HEAD_SIZE];
    size_t len = 0;
    enum jf_code code = jf_source_peek(source, head, sizeof head, &look.wait, &len, err);
    if (code != JF_OK)
        return code;
    if (len == 0)
        return jf_fail(err, JF_CLOSED, "%s: is empty", name);
    if (ret_probe->format == JF_FORMAT_AUTO)
        ret_probe->format = jf_format_detect(head, len);
    code = jf_format_check(ret_probe->format, JF_FORMAT_AUTO, name, ret_probe->hint, err);
    if (code != JF_OK)
        return code;
    if (ret_probe->format != JF_FORMAT_RAW)
        return probe_compressed(&look, options->memlimit_bytes, ret_probe, err);
    ret_probe->inner = JF_FORMAT_RAW;
    ret_probe->decoded_head_bytes = len;
    return JF_OK;
}
