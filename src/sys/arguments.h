// SPDX-License-Identifier: Apache-2.0
//
// The command line without its secrets: everybody on a host can read a process's
// arguments (/proc/PID/cmdline), so they are blanked there once they were copied.
#ifndef JF_SYS_ARGUMENTS_H
#define JF_SYS_ARGUMENTS_H

// Copies the arguments and overwrites with asterisks, in place, what may be secret in
// `argv`: the values of --bearer and --header, and in URLs user, password and query.
// NULL when memory is out; `argv` is then unchanged. Free with jf_arguments_free.
char **jf_arguments_take(int argc, char **argv);

// Blanks and frees the copies; accepts NULL.
void jf_arguments_free(char **arguments);

#endif
