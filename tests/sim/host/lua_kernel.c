// SPDX-License-Identifier: Apache-2.0
//
// The fake kernel as a Lua object; see kernel.h.
#include <arpa/inet.h>
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel.h"
#include "wire.h"

#define CLASS "sim.kernel"

static struct sim_kernel *check_kernel(lua_State *L) {
    return luaL_checkudata(L, 1, CLASS);
}

static int64_t *offset_of(struct sim_disk *disk, const char *key) {
    const struct {
        const char *key;
        int64_t *offset;
    } offsets[] = {
        {"full_at", &disk->full_at},           {"bad_write_at", &disk->bad_write_at},
        {"bad_read_at", &disk->bad_read_at},   {"flip_at", &disk->flip_at},
        {"flips_left", &disk->flips_left},     {"stop_write_at", &disk->stop_write_at},
        {"stop_read_at", &disk->stop_read_at},
    };
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        if (strcmp(offsets[i].key, key) == 0)
            return offsets[i].offset;
    }
    return NULL;
}

static void clear_faults(struct sim_disk *disk) {
    disk->full_at = disk->bad_write_at = disk->bad_read_at = SIM_NOWHERE;
    disk->flip_at = disk->stop_write_at = disk->stop_read_at = SIM_NOWHERE;
    disk->sync_fails = disk->flip_due = disk->sync_error_due = false;
}

// kernel:add_disk(name, path, size_bytes, read_only)
static int kernel_add_disk(lua_State *L) {
    struct sim_kernel *kernel = check_kernel(L);
    struct stat status;
    luaL_argcheck(L, kernel->disk_count < SIM_DISKS, 2, "too many disks");
    struct sim_disk disk = {.size_bytes = luaL_checkinteger(L, 4),
                            .read_only = lua_toboolean(L, 5)};
    snprintf(disk.name, sizeof disk.name, "%s", luaL_checkstring(L, 2));
    snprintf(disk.path, sizeof disk.path, "%s", luaL_checkstring(L, 3));
    if (stat(disk.path, &status) < 0)
        return luaL_error(L, "%s: %s", disk.path, strerror(errno));
    disk.file_dev = status.st_dev;
    disk.file_ino = status.st_ino;
    clear_faults(&disk);
    kernel->disks[kernel->disk_count++] = disk;
    return 0;
}

// kernel:clear(): no disk has a fault, and the network works.
static int kernel_clear(lua_State *L) {
    struct sim_kernel *kernel = check_kernel(L);
    for (size_t i = 0; i < kernel->disk_count; i++)
        clear_faults(&kernel->disks[i]);
    kernel->connect_errno = 0;
    kernel->relay.sin_port = 0;
    kernel->link_file[0] = '\0';
    return 0;
}

// kernel:set(disk, key, value): an offset in bytes, a count, or whether "sync_fails".
static int kernel_set(lua_State *L) {
    struct sim_disk *disk = sim_kernel_disk(check_kernel(L), luaL_checkstring(L, 2));
    const char *key = luaL_checkstring(L, 3);
    luaL_argcheck(L, disk, 2, "no such disk");
    int64_t *offset = offset_of(disk, key);
    if (offset)
        *offset = luaL_checkinteger(L, 4);
    else if (strcmp(key, "sync_fails") == 0)
        disk->sync_fails = lua_toboolean(L, 4);
    else
        return luaL_argerror(L, 3, "unknown");
    return 0;
}

// kernel:network(works, relay_port, link_file): nil for no relay; link_file as in
// kernel.h.
static int kernel_network(lua_State *L) {
    struct sim_kernel *kernel = check_kernel(L);
    kernel->connect_errno = lua_toboolean(L, 2) ? 0 : ENETUNREACH;
    snprintf(kernel->link_file, sizeof kernel->link_file, "%s", luaL_optstring(L, 4, ""));
    kernel->relay = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)luaL_optinteger(L, 3, 0)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    return 0;
}

static const char *name_of(enum sim_event_kind kind) {
    switch (kind) {
    case SIM_GONE:
        return "gone";
    case SIM_POWEROFF:
        return "poweroff";
    case SIM_REBOOT:
        return "reboot";
    case SIM_CLOCK:
        return "clock";
    case SIM_CONNECT:
        return "connect";
    case SIM_WRITE:
        return "write";
    case SIM_READ:
        return "read";
    case SIM_FLIPPED:
        return "flipped";
    case SIM_NOTHING:
        break;
    }
    return NULL;
}

static void set_address(lua_State *L, const struct sockaddr_in *address) {
    char host[INET_ADDRSTRLEN];
    lua_pushstring(L, inet_ntop(AF_INET, &address->sin_addr, host, sizeof host));
    lua_setfield(L, -2, "host");
    lua_pushinteger(L, ntohs(address->sin_port));
    lua_setfield(L, -2, "port");
}

// kernel:serve(listener): what happened, as {kind=, disk=, number=, host=, port=,
// waiting=}, or nil when it was an everyday call.
static int kernel_serve(lua_State *L) {
    struct sim_event event;
    sim_kernel_serve(check_kernel(L), (int)luaL_checkinteger(L, 2), &event);
    if (event.kind == SIM_NOTHING)
        return 0;
    lua_newtable(L);
    lua_pushstring(L, name_of(event.kind));
    lua_setfield(L, -2, "kind");
    lua_pushinteger(L, event.number);
    lua_setfield(L, -2, "number");
    if (event.disk) {
        lua_pushstring(L, event.disk->name);
        lua_setfield(L, -2, "disk");
    }
    if (event.waiting) {
        lua_pushinteger(L, (lua_Integer)event.waiting);
        lua_setfield(L, -2, "waiting");
    }
    if (event.kind == SIM_CONNECT)
        set_address(L, &event.address);
    return 1;
}

// kernel:resume(listener, waiting)
static int kernel_resume(lua_State *L) {
    check_kernel(L);
    sim_kernel_resume((int)luaL_checkinteger(L, 2), (uint64_t)luaL_checkinteger(L, 3));
    return 0;
}

static const luaL_Reg methods[] = {
    {"add_disk", kernel_add_disk},
    {"clear", kernel_clear},
    {"set", kernel_set},
    {"network", kernel_network},
    {"serve", kernel_serve},
    {"resume", kernel_resume},
    {NULL, NULL},
};

int sim_kernel_new(lua_State *L) {
    struct sim_kernel *kernel = lua_newuserdatauv(L, sizeof *kernel, 0);
    *kernel = (struct sim_kernel){.disk_count = 0};
    if (luaL_newmetatable(L, CLASS)) {
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
    return 1;
}
