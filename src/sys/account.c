// SPDX-License-Identifier: Apache-2.0
#include "sys/account.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>

void jf_user_name(uid_t uid, char ret_name[JF_USER_SIZE]) {
    char scratch[4096];
    struct passwd entry;
    struct passwd *found = NULL;
    if (getpwuid_r(uid, &entry, scratch, sizeof scratch, &found) == 0 && found)
        snprintf(ret_name, JF_USER_SIZE, "%s", entry.pw_name);
    else
        snprintf(ret_name, JF_USER_SIZE, "%u", (unsigned)uid);
}

void jf_group_name(gid_t gid, char ret_name[JF_GROUP_SIZE]) {
    char scratch[16384]; // a group's entry names its members
    struct group entry;
    struct group *found = NULL;
    if (getgrgid_r(gid, &entry, scratch, sizeof scratch, &found) == 0 && found)
        snprintf(ret_name, JF_GROUP_SIZE, "%s", entry.gr_name);
    else
        snprintf(ret_name, JF_GROUP_SIZE, "%u", (unsigned)gid);
}
