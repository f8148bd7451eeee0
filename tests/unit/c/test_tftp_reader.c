// SPDX-License-Identifier: Apache-2.0
//
// Contents as blocks, in both modes, forwards and from the mark again; and what a
// client sends in netascii, back as a file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "serve/tftp_reader.h"
#include "serve/tftp_upload.h"

// Reads all, `count` blocks a time; each time twice, the second time from the mark.
static size_t read_all(struct jf_tftp_reader *reader, uint64_t count, uint8_t *out) {
    static uint8_t scratch[65536];
    struct jf_error err;
    size_t used = 0;
    for (uint64_t block = 1;; block += count) {
        const uint8_t *bytes;
        size_t len;
        for (int again = 0; again < 2; again++) {
            assert_int_equal(jf_tftp_reader_mark(reader, block, &err), JF_OK);
            assert_int_equal(jf_tftp_reader_read(reader, block, count, scratch, &bytes, &len, &err),
                             JF_OK);
        }
        memcpy(out + used, bytes, len);
        used += len;
        if (len < count * reader->blksize)
            return used;
    }
}

static size_t netascii(const uint8_t *in, size_t len, uint8_t *out) {
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        if (in[i] == '\n')
            out[used++] = '\r';
        out[used++] = in[i];
        if (in[i] == '\r')
            out[used++] = '\0';
    }
    return used;
}

static void test_both_modes(void **state) {
    (void)state;
    static uint8_t data[60000], expected[120000], got[120000];
    unsigned seed = 1;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t) "ab\r\n"[rand_r(&seed) % 4];
    const size_t sizes[] = {0, 1, 7, 8, 9, 512, 1468, 30000, 60000};
    const struct {
        uint32_t blksize;
        uint64_t count;
    } shapes[] = {{8, 1},    {9, 3},     {512, 1},  {512, 16},
                  {1468, 1}, {1468, 44}, {9000, 1}, {65464, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct jf_content *content = jf_content_from_bytes(data, sizes[i]);
        for (size_t j = 0; j < 2 * sizeof shapes / sizeof *shapes; j++) {
            struct jf_tftp_reader reader;
            bool text = j % 2;
            memcpy(expected, data, sizes[i]);
            size_t len = text ? netascii(data, sizes[i], expected) : sizes[i];
            jf_tftp_reader_open(&reader, content, shapes[j / 2].blksize, text);
            assert_int_equal(read_all(&reader, shapes[j / 2].count, got), len);
            assert_memory_equal(got, expected, len);
            jf_tftp_reader_close(&reader);
        }
        jf_content_unref(content);
    }
}

// The last block of a window is asked for while the mark is far behind.
static void test_seek_back(void **state) {
    (void)state;
    struct jf_tftp_reader reader;
    struct jf_error err;
    uint8_t scratch[64];
    const uint8_t *bytes;
    size_t len;
    struct jf_content *content = jf_content_from_bytes("a\nb\nc\nd\ne\nf\ng\n", 14);
    jf_tftp_reader_open(&reader, content, 8, true);
    jf_content_unref(content);
    const struct {
        uint64_t block;
        const char *expected;
    } reads[] = {
        {1, "a\r\nb\r\nc\r"}, {2, "\nd\r\ne\r\nf"}, {1, "a\r\nb\r\nc\r"}, {3, "\r\ng\r\n"}};
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        assert_int_equal(
            jf_tftp_reader_read(&reader, reads[i].block, 1, scratch, &bytes, &len, &err), JF_OK);
        assert_int_equal(len, strlen(reads[i].expected));
        assert_memory_equal(bytes, reads[i].expected, len);
    }
    jf_tftp_reader_close(&reader);
}

static void test_file_that_shrinks(void **state) {
    (void)state;
    char path[] = "/tmp/jflash-tftp.XXXXXX";
    struct jf_content *content = NULL;
    struct jf_error err;
    uint8_t bytes[64];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    assert_int_equal(jf_content_open_file(path, &content, &err), JF_OK);
    assert_int_equal(jf_content_size(content), 10);
    assert_int_equal(jf_content_check(content, &err), JF_OK);
    assert_int_equal(jf_content_pread(content, bytes, 4, 6, &err), JF_OK);
    assert_memory_equal(bytes, "6789", 4);
    assert_int_equal(ftruncate(fd, 3), 0);
    assert_int_equal(jf_content_check(content, &err), JF_CHECKSUM);
    assert_int_equal(jf_content_pread(content, bytes, 4, 6, &err), JF_CLOSED);
    jf_content_unref(content);
    close(fd);
    unlink(path);
    assert_int_equal(jf_content_open_file(path, &content, &err), JF_IO);
    assert_int_equal(jf_content_open_file("/tmp", &content, &err), JF_UNSUPPORTED);
}

static void test_upload(void **state) {
    (void)state;
    const struct {
        bool netascii;
        const char *blocks[4];
        size_t lens[4];
        const char *expected;
        size_t len;
    } cases[] = {
        {false, {"ab\r\n", "c"}, {4, 1}, "ab\r\nc", 5},
        {true, {"ab\r\n", "c"}, {4, 1}, "ab\nc", 4},
        {true, {"ab\r", "\nc\r", "\0d"}, {3, 3, 2}, "ab\nc\rd", 6},
        {true, {"a\r\r\n"}, {4}, "a\r\n", 3},
        {true, {"a\r"}, {2}, "a\r", 2},
        {true, {"a\rb"}, {3}, "a\rb", 3},
    };
    char folder[] = "/tmp/jflash-tftp.XXXXXX";
    char path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jf_tftp_upload upload;
        struct jf_error err;
        char hex[JF_SHA256_HEX_SIZE];
        char got[16];
        assert_int_equal(jf_tftp_upload_open(&upload, path, 6, cases[i].netascii, &err), JF_OK);
        for (int j = 0; cases[i].blocks[j]; j++)
            assert_int_equal(jf_tftp_upload_write(&upload, (const uint8_t *)cases[i].blocks[j],
                                                  cases[i].lens[j], &err),
                             JF_OK);
        assert_int_equal(access(path, F_OK), -1);
        assert_int_equal(jf_tftp_upload_commit(&upload, hex, &err), JF_OK);
        jf_tftp_upload_close(&upload);
        FILE *file = fopen(path, "rb");
        assert_int_equal(fread(got, 1, sizeof got, file), cases[i].len);
        assert_memory_equal(got, cases[i].expected, cases[i].len);
        fclose(file);
        unlink(path);
    }
    struct jf_tftp_upload upload;
    struct jf_error err;
    assert_int_equal(jf_tftp_upload_open(&upload, path, 3, false, &err), JF_OK);
    assert_int_equal(jf_tftp_upload_write(&upload, (const uint8_t *)"1234", 4, &err), JF_LIMIT);
    jf_tftp_upload_close(&upload);
    assert_int_equal(rmdir(folder), 0); // nothing was left in it
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_modes),
        cmocka_unit_test(test_seek_back),
        cmocka_unit_test(test_file_that_shrinks),
        cmocka_unit_test(test_upload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
