// SPDX-License-Identifier: Apache-2.0
#include "sys/account.h"

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
