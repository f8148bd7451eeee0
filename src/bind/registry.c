// SPDX-License-Identifier: Apache-2.0
//
// jflash.registry: OCI registries: references, credentials, manifests, blobs.
#include "bind/bind.h"

#include <string.h>

#include "bind/download.h"
#include "bind/registry.h"
#include "bind/scratch.h"
#include "registry/auth_file.h"
#include "registry/client.h"
#include "registry/credential_helper.h"
#include "registry/place.h"
#include "registry/signature.h"

#define CLIENT "jflash.registry.client"
#define ENTRY "jflash.registry.entry"
#define HELPER_TIMEOUT_S 30.0

// References.

static int registry_parse(lua_State *L) {
    static const char *const kinds[] = {"registry", "layout", "directory"};
    struct jf_reference reference;
    struct jf_error err;
    char text[JF_REFERENCE_TEXT_SIZE];
    if (jf_reference_parse(jf_check_text(L, 1), &reference, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    jf_reference_text(&reference, text);
    const char *const fields[][2] = {
        {"kind", kinds[reference.kind]}, {"host", reference.host},     {"name", reference.name},
        {"tag", reference.tag},          {"digest", reference.digest}, {"path", reference.path},
    };
    lua_createtable(L, 0, 7);
    jf_set_string(L, "text", text);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        jf_set_string(L, fields[i][0], fields[i][1][0] ? fields[i][1] : NULL);
    return 1;
}

// Credentials.

static int entry_free(lua_State *L) {
    jf_auth_entry_free(lua_touserdata(L, 1));
    return 0;
}

// An entry that is wiped with the calling function's frame.
static struct jf_auth_entry *push_entry(lua_State *L) {
    struct jf_auth_entry *entry = lua_newuserdatauv(L, sizeof *entry, 0);
    *entry = (struct jf_auth_entry){0};
    luaL_setmetatable(L, ENTRY);
    lua_toclose(L, -1);
    return entry;
}

static int return_entry(lua_State *L, const struct jf_auth_entry *entry) {
    lua_createtable(L, 0, 5);
    jf_set_string(L, "user", entry->credentials.user);
    jf_set_string(L, "password", entry->credentials.password);
    jf_set_string(L, "identity_token", entry->credentials.identity_token);
    jf_set_string(L, "helper", entry->helper[0] ? entry->helper : NULL);
    jf_set_string(L, "key", entry->key);
    return 1;
}

static int registry_find_auth(lua_State *L) {
    size_t len;
    struct jf_error err;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *name = jf_check_text(L, 2);
    const char *host = jf_check_text(L, 3);
    const char *repository = jf_check_text(L, 4);
    struct jf_auth_entry *entry = push_entry(L);
    if (jf_auth_file_find(text, len, name, host, repository, entry, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return return_entry(L, entry);
}

static int registry_ask_helper(lua_State *L) {
    static const char *const options[] = {"timeout_s", NULL};
    const char *helper = jf_check_text(L, 1);
    const char *host = jf_check_text(L, 2);
    struct jf_error err;
    jf_opt_known(L, 3, options);
    luaL_argcheck(L, strlen(helper) < JF_HELPER_NAME_SIZE, 1, "too long");
    jf_deadline deadline = jf_opt_deadline(L, 3, HELPER_TIMEOUT_S);
    struct jf_auth_entry *entry = push_entry(L);
    if (jf_credential_helper_get(helper, host, deadline, jf_bind_context(L)->cancel,
                                 &entry->credentials, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return return_entry(L, entry);
}

// Files.

static int registry_check_name(lua_State *L) {
    struct jf_error err;
    return jf_bind_result(L, jf_place_check(jf_check_text(L, 1), &err), &err);
}

static int registry_link(lua_State *L) {
    const char *from = jf_check_text(L, 1);
    const char *dir = jf_check_text(L, 2);
    const char *name = jf_check_text(L, 3);
    struct jf_error err;
    return jf_bind_result(L, jf_place_link(from, dir, name, &err), &err);
}

static int registry_place(lua_State *L) {
    const char *from = jf_check_text(L, 1);
    const char *dir = jf_check_text(L, 2);
    const char *name = jf_check_text(L, 3);
    const char *sha256 = jf_check_text(L, 4);
    struct jf_error err;
    enum jf_code code = jf_place_copy(from, dir, name, sha256, jf_bind_context(L)->cancel, &err);
    return jf_bind_result(L, code, &err);
}

// Signatures.

static int registry_verify(lua_State *L) {
    size_t pem_len, len;
    struct jf_error err;
    const char *pem = luaL_checklstring(L, 1, &pem_len);
    const char *key_name = jf_check_text(L, 2);
    const char *bytes = luaL_checklstring(L, 3, &len);
    const char *signature = jf_check_text(L, 4);
    enum jf_code code = jf_signature_check(pem, pem_len, key_name, bytes, len, signature, &err);
    return jf_bind_result(L, code, &err);
}

// The client.

struct client {
    struct jf_registry *registry; // NULL: closed
    struct jf_http_outcome outcome;
};

static struct client *check_client(lua_State *L) {
    struct client *client = luaL_checkudata(L, 1, CLIENT);
    if (!client->registry)
        luaL_error(L, "the client is closed");
    return client;
}

static const char *check_string(lua_State *L, const char *key) {
    const char *text = jf_opt_string(L, 1, key, NULL, NULL);
    if (!text)
        luaL_error(L, "option '%s' expected", key);
    return text;
}

static double opt_seconds(lua_State *L, const char *key, double fallback, double least) {
    double seconds = jf_opt_number(L, 1, key, fallback);
    if (!(seconds >= least && seconds <= 86400))
        luaL_error(L, "option '%s': %f to a day of seconds expected", key, least);
    return seconds;
}

static const char *const known[] = {
    "host",      "repository", "actions",    "user",    "password",          "identity_token",
    "cacert",    "insecure",   "plain_http", "retries", "connect_timeout_s", "stall_timeout_s",
    "backoff_s", "user_agent", NULL};

static void read_options(lua_State *L, struct jf_registry_options *ret) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    jf_opt_known(L, 1, known);
    lua_Integer retries = jf_opt_integer(L, 1, "retries", 3);
    if (retries < 0 || retries > 1000)
        luaL_error(L, "option 'retries': 0 to 1000 expected");
    *ret = (struct jf_registry_options){
        .host = check_string(L, "host"),
        .repository = check_string(L, "repository"),
        .actions = jf_opt_string(L, 1, "actions", "pull", NULL),
        .credentials =
            {
                .user = (char *)jf_opt_string(L, 1, "user", NULL, NULL),
                .password = (char *)jf_opt_string(L, 1, "password", NULL, NULL),
                .identity_token = (char *)jf_opt_string(L, 1, "identity_token", NULL, NULL),
            },
        .cacert = jf_opt_string(L, 1, "cacert", NULL, NULL),
        .insecure = jf_opt_boolean(L, 1, "insecure", false),
        .plain_http = jf_opt_boolean(L, 1, "plain_http", false),
        .user_agent = jf_opt_string(L, 1, "user_agent", "jflash", NULL),
        .connect_timeout_s = opt_seconds(L, "connect_timeout_s", 10, 0.1),
        .stall_timeout_s = opt_seconds(L, "stall_timeout_s", 30, 1),
        .retries = (unsigned)retries,
        .backoff_s = opt_seconds(L, "backoff_s", 1, 0),
    };
    if (!ret->credentials.user != !ret->credentials.password)
        luaL_error(L, "options 'user' and 'password' go together");
}

static int registry_open(lua_State *L) {
    struct jf_registry_options options;
    struct jf_error err;
    read_options(L, &options);
    struct client *client = lua_newuserdatauv(L, sizeof *client, 0);
    *client = (struct client){.outcome = {.retry_after_s = -1}};
    luaL_setmetatable(L, CLIENT);
    if (jf_registry_open(&options, &client->registry, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

static int client_manifest(lua_State *L) {
    struct client *client = check_client(L);
    const char *what = jf_check_text(L, 2);
    struct jf_error err;
    struct jf_buf *text = jf_scratch_buf(L);
    struct jf_registry_manifest manifest = {0};
    enum jf_code code = jf_registry_get_manifest(client->registry, what, jf_bind_context(L)->cancel,
                                                 &manifest, &client->outcome, &err);
    *text = manifest.text; // freed with this frame
    if (code != JF_OK)
        return jf_bind_fail(L, &err);
    lua_createtable(L, 0, 3);
    jf_scratch_push(L, text);
    lua_setfield(L, -2, "text");
    jf_set_string(L, "media_type", manifest.media_type[0] ? manifest.media_type : NULL);
    jf_set_string(L, "digest", manifest.digest);
    return 1;
}

static int client_blob(lua_State *L) {
    static const char *const options[] = {"offset", NULL};
    struct client *client = check_client(L);
    const char *digest = jf_check_text(L, 2);
    lua_Integer size = luaL_checkinteger(L, 3);
    const char *file = jf_check_text(L, 4);
    struct jf_error err;
    jf_opt_known(L, 5, options);
    lua_Integer offset = jf_opt_integer(L, 5, "offset", 0);
    luaL_argcheck(L, size >= 0, 3, "0 or more expected");
    luaL_argcheck(L, offset >= 0 && offset <= size, 5, "'offset' is not within the size");
    struct jf_download **box = jf_bind_push_download(L);
    if (jf_registry_get_blob(client->registry, digest, (uint64_t)size, file, (uint64_t)offset,
                             jf_bind_context(L)->cancel, box, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

// For pushing.

static int client_has_blob(lua_State *L) {
    struct client *client = check_client(L);
    const char *digest = jf_check_text(L, 2);
    lua_Integer size = luaL_checkinteger(L, 3);
    struct jf_error err;
    bool has = false;
    if (jf_registry_has_blob(client->registry, digest, (uint64_t)size, jf_bind_context(L)->cancel,
                             &has, &client->outcome, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_pushboolean(L, has);
    return 1;
}

static int client_put_blob(lua_State *L) {
    struct client *client = check_client(L);
    const char *digest = jf_check_text(L, 2);
    lua_Integer size = luaL_checkinteger(L, 3);
    const char *file = jf_check_text(L, 4);
    struct jf_error err;
    return jf_bind_result(L,
                          jf_registry_put_blob(client->registry, digest, (uint64_t)size, file,
                                               jf_bind_context(L)->cancel, &client->outcome, &err),
                          &err);
}

static int client_put_manifest(lua_State *L) {
    struct client *client = check_client(L);
    const char *what = jf_check_text(L, 2);
    struct jf_buf text = {0}; // the string's own bytes
    struct jf_error err;
    text.data = (void *)luaL_checklstring(L, 3, &text.len);
    const char *type = jf_check_text(L, 4);
    return jf_bind_result(L,
                          jf_registry_put_manifest(client->registry, what, &text, type,
                                                   jf_bind_context(L)->cancel, &client->outcome,
                                                   &err),
                          &err);
}

static int client_failure(lua_State *L) {
    const struct jf_http_outcome *outcome = &check_client(L)->outcome;
    lua_createtable(L, 0, 3);
    if (outcome->status)
        jf_set_integer(L, "status", outcome->status);
    jf_set_boolean(L, "passing", outcome->outlook == JF_HTTP_PASSING);
    jf_set_boolean(L, "no_tls", outcome->no_tls);
    return 1;
}

static int client_close(lua_State *L) {
    struct client *client = luaL_checkudata(L, 1, CLIENT);
    jf_registry_unref(client->registry);
    client->registry = NULL;
    return 0;
}

static const luaL_Reg functions[] = {
    {"parse", registry_parse},
    {"find_auth", registry_find_auth},
    {"ask_helper", registry_ask_helper},
    {"manifest", jf_registry_push_manifest},
    {"check_name", registry_check_name},
    {"place", registry_place},
    {"fits", jf_registry_fits},
    {"member", jf_registry_member},
    {"unpack", jf_registry_unpack},
    {"link", registry_link},
    {"verify", registry_verify},
    {"open", registry_open},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {{"manifest", client_manifest},
                                   {"blob", client_blob},
                                   {"has_blob", client_has_blob},
                                   {"put_blob", client_put_blob},
                                   {"put_manifest", client_put_manifest},
                                   {"failure", client_failure},
                                   {"close", client_close},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {{"__close", client_close}, {"__gc", client_close}, {NULL, NULL}};

static const luaL_Reg no_methods[] = {{NULL, NULL}};
static const luaL_Reg entry_meta[] = {{"__close", entry_free}, {"__gc", entry_free}, {NULL, NULL}};

int luaopen_jflash_registry(lua_State *L) {
    jf_bind_class(L, CLIENT, methods, meta);
    jf_bind_class(L, ENTRY, no_methods, entry_meta);
    jf_registry_manifest_class(L);
    luaL_newlib(L, functions);
    return 1;
}
