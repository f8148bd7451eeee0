// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "registry/manifest.h"

#define D "\"digest\": \"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""
#define LAYER "{\"mediaType\": \"a/b\", " D ", \"size\": 3}"
#define HEAD "{\"schemaVersion\": 2, "
#define INDEX "application/vnd.oci.image.index.v1+json"
#define DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"

struct example {
    const char *text;
    const char *type; // Content-Type
    enum jf_code code;
    const char *words; // of the message
};

static const struct example examples[] = {
    {HEAD "\"layers\": [" LAYER "]}", NULL, JF_OK, NULL},
    {HEAD "\"layers\": []}", MANIFEST, JF_OK, NULL},
    {HEAD "\"layers\": []}", MANIFEST "; charset=utf-8", JF_OK, NULL},
    {HEAD "\"layers\": []}", "application/octet-stream", JF_OK, NULL},
    {HEAD "\"manifests\": [" LAYER "]}", INDEX, JF_OK, NULL},
    {HEAD "\"manifests\": [" LAYER "]}", NULL, JF_OK, NULL},
    {HEAD "\"mediaType\": \"" DOCKER_LIST "\", \"manifests\": []}", NULL, JF_OK, NULL},
    {HEAD "\"mediaType\": null, \"layers\": [], \"config\": null, \"annotations\": null}", NULL,
     JF_OK, NULL},
    {HEAD "\"layers\": []}", INDEX, JF_PROTOCOL, "manifests are missing"},
    {HEAD "\"layers\": [], \"manifests\": []}", NULL, JF_PROTOCOL, "both layers and manifests"},
    {HEAD "\"mediaType\": \"text/html\", \"layers\": []}", NULL, JF_UNSUPPORTED, "type text/html"},
    {"{\"schemaVersion\": 1}", NULL, JF_UNSUPPORTED, "schema 1"},
    {"{\"schemaVersion\": 3}", NULL, JF_PROTOCOL, "schemaVersion is not 2"},
    {"{}", NULL, JF_PROTOCOL, "schemaVersion is not 2"},
    {"[]", NULL, JF_PROTOCOL, "no JSON object"},
    {"", NULL, JF_PROTOCOL, "no JSON: line"},
    {"{\"a\": 1, \"a\": 2}", NULL, JF_PROTOCOL, "no JSON"},
    {" \n<html>", NULL, JF_PROTOCOL, "web page"},
    {HEAD "\"layers\": {}}", NULL, JF_PROTOCOL, "layers are no array"},
    {HEAD "\"layers\": [3]}", NULL, JF_PROTOCOL, "layers number 1 is no object"},
    {HEAD "\"layers\": [" LAYER ", {\"mediaType\": \"a/b\", " D "}]}", NULL, JF_PROTOCOL,
     "layers number 2: size is missing"},
    {HEAD "\"layers\": [{\"mediaType\": \"a/b\", " D ", \"size\": -1}]}", NULL, JF_LIMIT,
     "size of -1"},
    {HEAD "\"layers\": [{\"mediaType\": \"a/b\", " D ", \"size\": 9000000000000000}]}", NULL,
     JF_LIMIT, "9000000000000000 bytes"},
    {HEAD "\"layers\": [{\"mediaType\": \"a/b\", " D ", \"size\": \"3\"}]}", NULL, JF_PROTOCOL,
     "no whole number"},
    {HEAD "\"layers\": [{\"mediaType\": \"a/b\", " D ", \"size\": 1e3}]}", NULL, JF_PROTOCOL,
     "no whole number"},
    {HEAD "\"layers\": [{\"mediaType\": \"a/b\", \"size\": 3}]}", NULL, JF_PROTOCOL,
     "digest is missing"},
    {HEAD "\"layers\": [{" D ", \"size\": 3}]}", NULL, JF_PROTOCOL, "mediaType is missing"},
    {HEAD "\"layers\": [{\"mediaType\": \"a/b\", \"digest\": \"sha256:0\", \"size\": 3}]}", NULL,
     JF_PROTOCOL, "malformed"},
    {HEAD "\"layers\": [{\"mediaType\": \"a/b\", \"digest\": \"sha512:0\", \"size\": 3}]}", NULL,
     JF_UNSUPPORTED, "another algorithm"},
    {HEAD "\"layers\": [], \"annotations\": {\"a\": 1}}", NULL, JF_PROTOCOL,
     "annotation is no text"},
    {HEAD "\"layers\": [], \"annotations\": []}", NULL, JF_PROTOCOL, "annotations are no object"},
    {HEAD "\"layers\": [], \"config\": {}}", NULL, JF_PROTOCOL, "config: mediaType"},
    {HEAD "\"layers\": [], \"artifactType\": 1}", NULL, JF_PROTOCOL, "artifactType is no text"},
};

static void reads_manifests(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const struct example *example = &examples[i];
        struct jf_manifest manifest;
        struct jf_error err = {0};
        print_message("%s\n", example->text);
        enum jf_code code = jf_manifest_parse(example->text, strlen(example->text), example->type,
                                              "here", &manifest, &err);
        assert_int_equal(code, example->code);
        if (code != JF_OK) {
            assert_non_null(strstr(err.message, example->words));
            assert_int_equal(strncmp(err.message, "here", 4), 0);
        }
        jf_manifest_free(&manifest);
    }
}

static void tells_what_is_there(void **state) {
    (void)state;
    struct jf_manifest manifest;
    struct jf_error err;
    static const char text[] = HEAD
        "\"artifactType\": \"x/y\", \"manifests\": [{\"mediaType\": \"a/b\", " D ", \"size\": 3, "
        "\"platform\": {\"os\": \"linux\", \"architecture\": \"arm\", \"variant\": \"v7\"}, "
        "\"annotations\": {\"k\": \"v\"}}]}";
    assert_int_equal(jf_manifest_parse(text, strlen(text), NULL, "x", &manifest, &err), JF_OK);
    assert_true(manifest.is_index);
    assert_string_equal(manifest.artifact_type, "x/y");
    assert_int_equal(manifest.count, 1);
    assert_int_equal(manifest.items[0].size, 3);
    assert_string_equal(manifest.items[0].os, "linux");
    assert_string_equal(manifest.items[0].architecture, "arm");
    assert_string_equal(manifest.items[0].variant, "v7");
    assert_string_equal(json_string_value(json_object_get(manifest.items[0].annotations, "k")),
                        "v");
    jf_manifest_free(&manifest);
}

static void has_limits(void **state) {
    (void)state;
    struct jf_manifest manifest;
    struct jf_error err;
    size_t room = JF_MANIFEST_LIMIT + 2;
    char *text = malloc(room);
    for (size_t count = JF_MANIFEST_ITEMS_MAX; count <= JF_MANIFEST_ITEMS_MAX + 1; count++) {
        size_t len = (size_t)sprintf(text, HEAD "\"layers\": [");
        for (size_t i = 0; i < count; i++)
            len += (size_t)sprintf(text + len, "%s" LAYER, i ? "," : "");
        len += (size_t)sprintf(text + len, "]}");
        assert_int_equal(jf_manifest_parse(text, len, NULL, "x", &manifest, &err),
                         count == JF_MANIFEST_ITEMS_MAX ? JF_OK : JF_LIMIT);
        jf_manifest_free(&manifest);
    }
    memset(text, ' ', room);
    assert_int_equal(jf_manifest_parse(text, JF_MANIFEST_LIMIT + 1, NULL, "x", &manifest, &err),
                     JF_LIMIT);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_manifests),
        cmocka_unit_test(tells_what_is_there),
        cmocka_unit_test(has_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
