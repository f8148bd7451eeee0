// SPDX-License-Identifier: Apache-2.0
//
// Users and groups: their names, and who is in one.
#ifndef JF_SYS_ACCOUNT_H
#define JF_SYS_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#define JF_USER_SIZE 64
#define JF_GROUP_SIZE 64

enum jf_membership {
    JF_MEMBER_NOT,
    JF_MEMBER_AFTER_LOGIN, // says the group database; this process began before that
    JF_MEMBER_NOW,
};

// The user's name, or the number as text when it has none.
void jf_user_name(uid_t uid, char ret_name[JF_USER_SIZE]);

// The same of a group.
void jf_group_name(gid_t gid, char ret_name[JF_GROUP_SIZE]);

// False when there is no group of that name.
bool jf_group_find(const char *name, gid_t *ret_gid);

// Whether this process, and its user, is in a group.
enum jf_membership jf_group_membership(gid_t gid);

#endif
