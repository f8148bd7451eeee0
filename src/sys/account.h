// SPDX-License-Identifier: Apache-2.0
//
// Names of users.
#ifndef JF_SYS_ACCOUNT_H
#define JF_SYS_ACCOUNT_H

#include <sys/types.h>

#define JF_USER_SIZE 64

// The user's name, or the number as text when it has none.
void jf_user_name(uid_t uid, char ret_name[JF_USER_SIZE]);

#endif
