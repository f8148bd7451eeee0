// SPDX-License-Identifier: Apache-2.0
#include "registry/credential_helper.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/run.h"

#define OUTPUT_LIMIT ((size_t)64 << 10)
// Under this name Docker's tools store what belongs to Docker Hub.
#define HUB_KEY "https://index.docker.io/v1/"
// The user's name that says: the secret is an identity token.
#define TOKEN_USER "<token>"
#define NOT_FOUND "credentials not found"

static enum jf_code take_answer(const struct jf_buf *output, struct jf_credentials *ret,
                                struct jf_error *err) {
    json_t *root = json_loadb(output->data ? output->data : "", output->len, 0, NULL);
    const char *user = json_string_value(json_object_get(root, "Username"));
    const char *secret = json_string_value(json_object_get(root, "Secret"));
    enum jf_code code = JF_OK;
    if (!user || !secret) {
        code = jf_fail(err, JF_PROTOCOL, "its answer is no JSON object with Username and Secret");
    } else if (strcmp(user, TOKEN_USER) == 0) {
        ret->identity_token = strdup(secret);
        if (!ret->identity_token)
            code = jf_fail(err, JF_LIMIT, "not enough memory");
    } else {
        ret->user = strdup(user);
        ret->password = strdup(secret);
        if (!ret->user || !ret->password)
            code = jf_fail(err, JF_LIMIT, "not enough memory");
    }
    json_decref(root);
    return code;
}

static bool says_not_found(const struct jf_run_result *result) {
    return (result->output.data && strstr(result->output.data, NOT_FOUND)) ||
           (result->errors.data && strstr(result->errors.data, NOT_FOUND));
}

static enum jf_code judge(const struct jf_run_result *result, struct jf_credentials *ret,
                          struct jf_error *err) {
    if (result->exit.signal_number > 0)
        return jf_fail(err, JF_IO, "ended by signal %d", result->exit.signal_number > 0);
    if (result->exit.status == 0)
        return take_answer(&result->output, ret, err);
    if (says_not_found(result))
        return JF_OK;
    return jf_fail(err, JF_IO, "failed with status %d", result->exit.status);
}

enum jf_code jf_credential_helper_get(const char *helper, const char *host, jf_deadline deadline,
                                      const struct jf_cancel *cancel, struct jf_credentials *ret,
                                      struct jf_error *err) {
    char program[32 + JF_HELPER_NAME_SIZE];
    char get[] = "get";
    *ret = (struct jf_credentials){0};
    snprintf(program, sizeof program, "docker-credential-%s", helper);
    char *const argv[] = {program, get, NULL};
    const char *key = strcmp(host, "docker.io") == 0 ? HUB_KEY : host;
    const struct jf_run run = {
        .spawn = {.argv = argv},
        .input = key,
        .input_len = strlen(key),
        .output_limit = OUTPUT_LIMIT,
    };
    struct jf_run_result result = {0};
    enum jf_code code = jf_run(&run, deadline, cancel, &result, err);
    if (code == JF_OK)
        code = judge(&result, ret, err);
    if (result.output.data)
        explicit_bzero(result.output.data, result.output.len);
    jf_run_result_free(&result);
    if (code == JF_OK)
        return JF_OK;
    jf_credentials_free(ret);
    return jf_prefix(err, "%s get, for %s", program, host);
}
