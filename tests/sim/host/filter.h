// SPDX-License-Identifier: Apache-2.0
//
// Which system calls of the flasher's programs the fake kernel (kernel.h)
// answers in the real one's place.
#ifndef SIM_FILTER_H
#define SIM_FILTER_H

#include <stdbool.h>

// Restricts the calling process and all that it will start. Returns the
// descriptor on which the calls arrive, or -1 with errno. `watch_reads` makes
// each read(2) arrive too; that is slow, and only read faults need it.
int sim_filter_install(bool watch_reads);

#endif
