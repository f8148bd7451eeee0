// SPDX-License-Identifier: Apache-2.0
//
// Names of users and groups.
#ifndef JF_SYS_ACCOUNT_H
#define JF_SYS_ACCOUNT_H

#include <sys/types.h>

#define JF_USER_SIZE 64
#define JF_GROUP_SIZE 64

// The user's name, or the number as text when it has none.
void jf_user_name(uid_t uid, char ret_name[JF_USER_SIZE]);

// The same of a group.
void jf_group_name(gid_t gid, char ret_name[JF_GROUP_SIZE]);

#endif
