// SPDX-License-Identifier: Apache-2.0
#include "sys/account.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define USER_ENTRY_SIZE 4096
#define GROUP_ENTRY_SIZE 16384 // a group's entry names its members

// Linux's own limit for a process.
#define GROUPS_MAX 65536

void jf_user_name(uid_t uid, char ret_name[JF_USER_SIZE]) {
    char scratch[USER_ENTRY_SIZE];
    struct passwd entry;
    struct passwd *found = NULL;
    if (getpwuid_r(uid, &entry, scratch, sizeof scratch, &found) == 0 && found)
        snprintf(ret_name, JF_USER_SIZE, "%s", entry.pw_name);
    else
        snprintf(ret_name, JF_USER_SIZE, "%u", (unsigned)uid);
}

void jf_group_name(gid_t gid, char ret_name[JF_GROUP_SIZE]) {
    char scratch[GROUP_ENTRY_SIZE];
    struct group entry;
    struct group *found = NULL;
    if (getgrgid_r(gid, &entry, scratch, sizeof scratch, &found) == 0 && found)
        snprintf(ret_name, JF_GROUP_SIZE, "%s", entry.gr_name);
    else
        snprintf(ret_name, JF_GROUP_SIZE, "%u", (unsigned)gid);
}

bool jf_group_find(const char *name, gid_t *ret_gid) {
    char scratch[GROUP_ENTRY_SIZE];
    struct group entry;
    struct group *found = NULL;
    if (getgrnam_r(name, &entry, scratch, sizeof scratch, &found) != 0 || !found)
        return false;
    *ret_gid = entry.gr_gid;
    return true;
}

static bool contains(const gid_t *groups, int count, gid_t gid) {
    for (int i = 0; i < count; i++) {
        if (groups[i] == gid)
            return true;
    }
    return false;
}

// The groups that the database gives this process's user; their count.
static int read_database(gid_t *groups) {
    char scratch[USER_ENTRY_SIZE];
    struct passwd entry;
    struct passwd *found = NULL;
    int count = GROUPS_MAX;
    if (getpwuid_r(getuid(), &entry, scratch, sizeof scratch, &found) != 0 || !found)
        return 0;
    return getgrouplist(entry.pw_name, entry.pw_gid, groups, &count);
}

enum jf_membership jf_group_membership(gid_t gid) {
    if (getegid() == gid)
        return JF_MEMBER_NOW;
    gid_t *groups = calloc(GROUPS_MAX, sizeof *groups);
    if (!groups)
        return JF_MEMBER_NOT;
    enum jf_membership membership = JF_MEMBER_NOT;
    if (contains(groups, getgroups(GROUPS_MAX, groups), gid))
        membership = JF_MEMBER_NOW;
    else if (contains(groups, read_database(groups), gid))
        membership = JF_MEMBER_AFTER_LOGIN;
    free(groups);
    return membership;
}
