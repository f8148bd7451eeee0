// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "image/format.h"

struct head {
    size_t offset; // of `bytes`; zeros before
    const char *bytes;
    size_t len;
    const char *name;
};

#define HEAD(offset, bytes, name)                                                                  \
    { offset, bytes, sizeof(bytes) - 1, name }

static const struct head heads[] = {
    HEAD(0, "", "raw"),
    HEAD(0, "\0", "raw"),
    HEAD(510, "\x55\xaa", "raw"),
    HEAD(0,
         "\xfd"
         "7zXZ\0\0\4",
         "xz"),
    HEAD(0,
         "\xfd"
         "7zXZ",
         "raw"),
    HEAD(0, "\x1f\x8b\x08\0", "gzip"),
    HEAD(0, "\x1f\x8b\x07\0", "raw"),
    HEAD(0, "\x28\xb5\x2f\xfd", "zstd"),
    HEAD(0, "\x50\x2a\x4d\x18\0\0\0\0\x28\xb5\x2f\xfd", "zstd"),
    HEAD(0, "\x5f\x2a\x4d\x18\2\0\0\0..\x04\x22\x4d\x18", "lz4"),
    HEAD(0, "\x5f\x2a\x4d\x18\0\0\0\0\x5f\x2a\x4d\x18\0\0\0\0\x04\x22\x4d\x18", "lz4"),
    HEAD(0, "\x5f\x2a\x4d\x18\xff\xff\xff\xff", "zstd"),
    HEAD(0, "\x5f\x2a\x4d", "raw"),
    HEAD(0, "BZh91AY&SY", "bzip2"),
    HEAD(0, "BZh1\x17\x72\x45\x38\x50\x90", "bzip2"),
    HEAD(0,
         "BZh0"
         "1AY&SY",
         "raw"),
    HEAD(0, "BZh9 is a word", "raw"),
    HEAD(0, "\x04\x22\x4d\x18", "lz4"),
    HEAD(0, "\x02\x21\x4c\x18", "lz4-legacy"),
    HEAD(0, "\x3a\xff\x26\xed\1\0\0\0", "android-sparse"),
    HEAD(0, "QFI\xfb\0\0\0\3", "qcow2"),
    HEAD(0, "KDMV\1", "vmdk"),
    HEAD(0, "# Disk DescriptorFile\n", "vmdk"),
    HEAD(0, "vhdxfile", "vhdx"),
    HEAD(0, "conectix", "vhd"),
    HEAD(0x40, "\x7f\x10\xda\xbe", "vdi"),
    HEAD(257,
         "ustar\0"
         "00",
         "tar"),
    HEAD(257, "ustar  ", "tar"),
    HEAD(0, "070701", "cpio"),
    HEAD(0, "!<arch>\ndebian-binary", "ar"),
    HEAD(0, "PK\3\4", "zip"),
    HEAD(0, "7z\xbc\xaf\x27\x1c", "7z"),
    HEAD(0, "Rar!\x1a\7\1", "rar"),
    HEAD(0, "LZIP\1", "lzip"),
    HEAD(0, "\x89LZO\0\r\n\x1a\n", "lzop"),
    HEAD(0, "\x1f\x9d\x90", "compress"),
    HEAD(0, "\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0", "lzma"),
    HEAD(0, "\x5d\0\0\0\1\0\0\0\1\0\0\0\0", "lzma"),
    HEAD(0, "\x5d\0\0\0\0\0\0\0\0\0\0\0\0", "raw"),
    HEAD(0, "]]]]]]]]]]]]]]", "raw"),
    HEAD(0, "<!DOCTYPE html>", "html"),
    HEAD(0, "\xef\xbb\xbf\r\n \t<HTML lang=en>", "html"),
    HEAD(0, "<html>", "html"),
    HEAD(0, "<?xml version=\"1.0\"?>", "xml"),
    HEAD(0, "<htm", "raw"),
    HEAD(0, "hsqs", "raw"),
    HEAD(0, "          ", "raw"),
};

static void told_by_first_bytes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        unsigned char bytes[JF_FORMAT_HEAD_SIZE] = {0};
        memcpy(bytes + heads[i].offset, heads[i].bytes, heads[i].len);
        enum jf_format format = jf_format_detect(bytes, heads[i].offset + heads[i].len);
        if (strcmp(jf_format_name(format), heads[i].name) != 0)
            fail_msg("head %zu (%s): told to be %s", i, heads[i].name, jf_format_name(format));
    }
}

static void names_lead_back(void **state) {
    (void)state;
    for (int i = JF_FORMAT_RAW; i < JF_FORMAT_COUNT; i++)
        assert_int_equal(jf_format_of_name(jf_format_name((enum jf_format)i)), i);
    assert_int_equal(jf_format_of_name("auto"), JF_FORMAT_AUTO);
    assert_int_equal(jf_format_of_name("XZ"), JF_FORMAT_AUTO);
}

struct refusal {
    enum jf_format outer;
    enum jf_format inner;
    const char *file;
    const char *message; // NULL: accepted
    const char *hint;
};

static const struct refusal refusals[] = {
    {JF_FORMAT_RAW, JF_FORMAT_AUTO, "a.img", NULL, NULL},
    {JF_FORMAT_XZ, JF_FORMAT_AUTO, "a.img", NULL, NULL},
    {JF_FORMAT_XZ, JF_FORMAT_RAW, "a.img", NULL, NULL},
    // Raw by the user's word: whatever it looks like.
    {JF_FORMAT_RAW, JF_FORMAT_TAR, "a.img", NULL, NULL},
    {JF_FORMAT_ANDROID_SPARSE, JF_FORMAT_AUTO, "dir/a.simg",
     "dir/a.simg: is an Android sparse image: it cannot be written as it is",
     "simg2img dir/a.simg image.raw"},
    {JF_FORMAT_QCOW2, JF_FORMAT_AUTO, "a.qcow2",
     "a.qcow2: is a qcow2 disk of a virtual machine: it cannot be written as it is",
     "qemu-img convert -O raw a.qcow2 image.raw"},
    {JF_FORMAT_ZIP, JF_FORMAT_AUTO, "my image.zip",
     "my image.zip: is a zip archive: it cannot be written as it is",
     "unzip IMAGE  # then flash the image that was inside"},
    {JF_FORMAT_XZ, JF_FORMAT_TAR, "a.txz",
     "a.txz: the xz data holds a tar archive: it cannot be written as it is",
     "xz -dc a.txz > image.tar && tar -xf image.tar  # then flash the image that was inside"},
    {JF_FORMAT_GZIP, JF_FORMAT_ANDROID_SPARSE, "stdin",
     "stdin: the gzip data holds an Android sparse image: it cannot be written as it is",
     "gzip -dc IMAGE > image.android-sparse && simg2img image.android-sparse image.raw"},
    {JF_FORMAT_GZIP, JF_FORMAT_XZ, "-a",
     "-a: the gzip data holds xz data: it cannot be written as it is",
     "gzip -dc IMAGE > image.xz  # then flash that"},
    {JF_FORMAT_HTML, JF_FORMAT_AUTO, "a.img",
     "a.img: is a web page, not an image: it cannot be written as it is",
     "check where it was downloaded from: look into the file, it may hold the server's error "
     "message"},
};

static void refused_with_the_way_out(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *r = &refusals[i];
        struct jf_error err = {0};
        char hint[JF_HINT_SIZE] = "";
        enum jf_code code = jf_format_check(r->outer, r->inner, r->file, hint, &err);
        assert_int_equal(code, r->message ? JF_UNSUPPORTED : JF_OK);
        assert_string_equal(err.message, r->message ? r->message : "");
        assert_string_equal(hint, r->hint ? r->hint : "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_by_first_bytes),
        cmocka_unit_test(names_lead_back),
        cmocka_unit_test(refused_with_the_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
