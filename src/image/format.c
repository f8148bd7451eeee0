// SPDX-License-Identifier: Apache-2.0
#include "image/format.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct kind {
    const char *name;        // for scripts; also the suffix of a file in a hint
    const char *description; // for people, behind "is"
    const char *before;      // the converting command, up to the file's name
    const char *after;       // and behind it
};

#define QEMU_IMG "qemu-img convert -O raw ", " image.raw"
#define INSIDE "  # then flash the image that was inside"

static const struct kind kinds[JF_FORMAT_COUNT] = {
    [JF_FORMAT_AUTO] = {"auto", "of a format not told yet", NULL, NULL},
    [JF_FORMAT_RAW] = {"raw", "a raw image", NULL, NULL},
    [JF_FORMAT_XZ] = {"xz", "xz data", "xz -dc ", " > image.raw"},
    [JF_FORMAT_GZIP] = {"gzip", "gzip data", "gzip -dc ", " > image.raw"},
    [JF_FORMAT_ZSTD] = {"zstd", "zstd data", "zstd -dc ", " > image.raw"},
    [JF_FORMAT_BZIP2] = {"bzip2", "bzip2 data", "bzip2 -dc ", " > image.raw"},
    [JF_FORMAT_LZ4] = {"lz4", "lz4 data", "lz4 -dc ", " > image.raw"},
    [JF_FORMAT_ANDROID_SPARSE] = {"android-sparse", "an Android sparse image", "simg2img ",
                                  " image.raw"},
    [JF_FORMAT_QCOW2] = {"qcow2", "a qcow2 disk of a virtual machine", QEMU_IMG},
    [JF_FORMAT_VMDK] = {"vmdk", "a VMDK disk of a virtual machine", QEMU_IMG},
    [JF_FORMAT_VHDX] = {"vhdx", "a VHDX disk of a virtual machine", QEMU_IMG},
    [JF_FORMAT_VHD] = {"vhd", "a VHD disk of a virtual machine", QEMU_IMG},
    [JF_FORMAT_VDI] = {"vdi", "a VDI disk of a virtual machine", QEMU_IMG},
    [JF_FORMAT_TAR] = {"tar", "a tar archive", "tar -xf ", INSIDE},
    [JF_FORMAT_CPIO] = {"cpio", "a cpio archive", "cpio -id < ", INSIDE},
    [JF_FORMAT_AR] = {"ar", "an ar archive or a Debian package", "ar x ", INSIDE},
    [JF_FORMAT_ZIP] = {"zip", "a zip archive", "unzip ", INSIDE},
    [JF_FORMAT_7Z] = {"7z", "a 7-Zip archive", "7z x ", INSIDE},
    [JF_FORMAT_RAR] = {"rar", "a RAR archive", "unrar x ", INSIDE},
    [JF_FORMAT_LZIP] = {"lzip", "lzip data", "lzip -dc ", " > image.raw"},
    [JF_FORMAT_LZMA] = {"lzma", "data of the old lzma format", "xz --format=lzma -dc < ",
                        " > image.raw"},
    [JF_FORMAT_LZOP] = {"lzop", "lzop data", "lzop -dc ", " > image.raw"},
    [JF_FORMAT_COMPRESS] = {"compress", "compress (.Z) data", "gzip -dc ", " > image.raw"},
    [JF_FORMAT_LZ4_LEGACY] = {"lz4-legacy", "data of lz4's legacy format", "lz4 -dc ",
                              " > image.raw"},
    [JF_FORMAT_HTML] = {"html", "a web page, not an image", NULL, NULL},
    [JF_FORMAT_XML] = {"xml", "an XML document, not an image", NULL, NULL},
};

struct magic {
    enum jf_format format;
    unsigned offset;
    unsigned len;
    const char *bytes;
};

#define MAGIC(format, offset, bytes)                                                               \
    { JF_FORMAT_##format, offset, sizeof(bytes) - 1, bytes }

static const struct magic magics[] = {
    MAGIC(XZ, 0,
          "\xfd"
          "7zXZ\0"),
    MAGIC(GZIP, 0, "\x1f\x8b\x08"),
    MAGIC(ZSTD, 0, "\x28\xb5\x2f\xfd"),
    MAGIC(LZ4, 0, "\x04\x22\x4d\x18"),
    MAGIC(LZ4_LEGACY, 0, "\x02\x21\x4c\x18"),
    MAGIC(ANDROID_SPARSE, 0, "\x3a\xff\x26\xed"),
    MAGIC(QCOW2, 0, "QFI\xfb"),
    MAGIC(VMDK, 0, "KDMV"),
    MAGIC(VMDK, 0, "COWD"),
    MAGIC(VMDK, 0, "# Disk DescriptorFile"),
    MAGIC(VHDX, 0, "vhdxfile"),
    MAGIC(VHD, 0, "conectix"),
    MAGIC(VDI, 0x40, "\x7f\x10\xda\xbe"),
    MAGIC(TAR, 257, "ustar"),
    MAGIC(CPIO, 0, "070701"),
    MAGIC(CPIO, 0, "070702"),
    MAGIC(CPIO, 0, "070707"),
    MAGIC(AR, 0, "!<arch>\n"),
    MAGIC(ZIP, 0, "PK\3\4"),
    MAGIC(ZIP, 0, "PK\5\6"),
    MAGIC(7Z, 0, "7z\xbc\xaf\x27\x1c"),
    MAGIC(RAR, 0, "Rar!\x1a\x07"),
    MAGIC(LZIP, 0, "LZIP\1"),
    MAGIC(LZOP, 0, "\x89LZO\0\r\n\x1a\n"),
    MAGIC(COMPRESS, 0, "\x1f\x9d"),
};

static uint32_t le32(const unsigned char *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static uint64_t le64(const unsigned char *bytes) {
    return le32(bytes) | (uint64_t)le32(bytes + 4) << 32;
}

static bool is_bzip2(const unsigned char *head, size_t len) {
    // The level is followed by the mark of a block, or of the end of an empty file.
    return len >= 10 && memcmp(head, "BZh", 3) == 0 && head[3] >= '1' && head[3] <= '9' &&
           (memcmp(head + 4, "\x31\x41\x59\x26\x53\x59", 6) == 0 ||
            memcmp(head + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

// The lzma format has no magic: usual properties, a dictionary of 2^n or
// 2^n + 2^(n-1) bytes, and a size that is unknown or below 256 GiB.
static bool is_lzma(const unsigned char *head, size_t len) {
    if (len < 13 || head[0] != 0x5d)
        return false;
    uint32_t dictionary = le32(head + 1);
    uint64_t size = le64(head + 5);
    uint32_t rest = dictionary & (dictionary - 1);
    bool usual = rest == 0 || rest == dictionary / 3 || dictionary == UINT32_MAX;
    return usual && dictionary >= 4096 && (size == UINT64_MAX || size < UINT64_C(1) << 38);
}

// zstd and lz4 share the mark of frames that are skipped; what follows decides.
static enum jf_format behind_skippable(const unsigned char *head, size_t len) {
    size_t at = 0;
    while (len - at >= 8 && (le32(head + at) & 0xfffffff0) == 0x184d2a50) {
        uint64_t next = (uint64_t)at + 8 + le32(head + at + 4);
        if (next > len)
            return JF_FORMAT_ZSTD;
        at = (size_t)next;
    }
    if (at == 0)
        return JF_FORMAT_RAW;
    return len - at >= 4 && le32(head + at) == 0x184d2204 ? JF_FORMAT_LZ4 : JF_FORMAT_ZSTD;
}

static bool begins_with(const char *text, size_t len, const char *word) {
    return len >= strlen(word) && strncasecmp(text, word, strlen(word)) == 0;
}

static enum jf_format markup(const char *text, size_t len) {
    size_t at = 0;
    if (begins_with(text, len, "\xef\xbb\xbf"))
        at = 3;
    while (at < len && isspace((unsigned char)text[at]))
        at++;
    text += at;
    len -= at;
    if (begins_with(text, len, "<!doctype html") || begins_with(text, len, "<html") ||
        begins_with(text, len, "<head"))
        return JF_FORMAT_HTML;
    return begins_with(text, len, "<?xml") ? JF_FORMAT_XML : JF_FORMAT_RAW;
}

enum jf_format jf_format_detect(const void *head, size_t len) {
    const unsigned char *bytes = head;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        const struct magic *magic = &magics[i];
        if (len >= magic->offset + magic->len &&
            memcmp(bytes + magic->offset, magic->bytes, magic->len) == 0)
            return magic->format;
    }
    if (is_bzip2(bytes, len))
        return JF_FORMAT_BZIP2;
    if (is_lzma(bytes, len))
        return JF_FORMAT_LZMA;
    enum jf_format format = behind_skippable(bytes, len);
    return format != JF_FORMAT_RAW ? format : markup(head, len);
}

const char *jf_format_name(enum jf_format format) {
    return kinds[format].name;
}

enum jf_format jf_format_of_name(const char *name) {
    for (int i = JF_FORMAT_RAW; i < JF_FORMAT_COUNT; i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return (enum jf_format)i;
    }
    return JF_FORMAT_AUTO;
}

bool jf_format_accepted(enum jf_format format) {
    return format >= JF_FORMAT_RAW && format <= JF_FORMAT_LZ4;
}

// The file's name for use in a shell, or a word to stand for it.
static const char *in_shell(const char *name) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_./+:,@%=-";
    bool safe = name[0] != '\0' && name[0] != '-' && name[strspn(name, plain)] == '\0';
    return safe && strcmp(name, "stdin") != 0 ? name : "IMAGE";
}

static void write_hint(enum jf_format outer, enum jf_format inner, const char *name, char *hint) {
    const struct kind *kind = &kinds[inner != JF_FORMAT_AUTO ? inner : outer];
    const char *file = in_shell(name);
    if (!kind->before)
        snprintf(hint, JF_HINT_SIZE,
                 "check where it was downloaded from: look into the file, "
                 "it may hold the server's error message");
    else if (inner == JF_FORMAT_AUTO)
        snprintf(hint, JF_HINT_SIZE, "%s%s%s", kind->before, file, kind->after);
    else if (jf_format_accepted(inner))
        snprintf(hint, JF_HINT_SIZE, "%s%s > image.%s  # then flash that", kinds[outer].before,
                 file, kind->name);
    else
        snprintf(hint, JF_HINT_SIZE, "%s%s > image.%s && %simage.%s%s", kinds[outer].before, file,
                 kind->name, kind->before, kind->name, kind->after);
}

enum jf_code jf_format_check(enum jf_format outer, enum jf_format inner, const char *name,
                             char *ret_hint, struct jf_error *err) {
    bool inside = inner != JF_FORMAT_AUTO && outer != JF_FORMAT_RAW;
    if (inside ? inner == JF_FORMAT_RAW : jf_format_accepted(outer))
        return JF_OK;
    if (ret_hint)
        write_hint(outer, inside ? inner : JF_FORMAT_AUTO, name, ret_hint);
    if (inside)
        return jf_fail(err, JF_UNSUPPORTED, "%s: the %s holds %s: it cannot be written as it is",
                       name, kinds[outer].description, kinds[inner].description);
    return jf_fail(err, JF_UNSUPPORTED, "%s: is %s: it cannot be written as it is", name,
                   kinds[outer].description);
}
