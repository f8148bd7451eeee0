// SPDX-License-Identifier: Apache-2.0
//
// Hands pieces of memory from one thread to another, in order and without
// copying. There is a fixed number of pieces of each size, so the first thread
// waits when the second is slow. A piece may be used by both at once: it is free again when
// each has released it.
#ifndef JF_IMAGE_RELAY_H
#define JF_IMAGE_RELAY_H

#include <stdbool.h>
#include <stddef.h>

struct jf_piece {
    unsigned char *bytes;
    size_t size;
    size_t len; // set by the giver
    int kind;   // the giver's word to the taker
    // The relay's own:
    unsigned holders;
    struct jf_piece *next;
};

struct jf_relay;

struct jf_piece_kind {
    size_t count;
    size_t size; // whole pages
};

// Pieces of several sizes; what is never used costs no memory. NULL when memory is out. Free with
// jf_relay_free (accepts NULL) when neither thread uses it.
struct jf_relay *jf_relay_new(const struct jf_piece_kind *kinds, size_t kind_count);
void jf_relay_free(struct jf_relay *relay);

// Giver: a free piece of one of the relay's sizes, held by the giver; waits for one.
// NULL once stopped.
struct jf_piece *jf_relay_get(struct jf_relay *relay, size_t size);

// Giver: queues the piece for the taker, who holds it then, as the giver does.
void jf_relay_give(struct jf_relay *relay, struct jf_piece *piece);

// Giver: no more pieces come.
void jf_relay_end(struct jf_relay *relay);

// Taker: the next piece; waits for one. NULL at the end, or once stopped.
struct jf_piece *jf_relay_take(struct jf_relay *relay);

// Either: does not use the piece any more. Accepts NULL.
void jf_relay_release(struct jf_relay *relay, struct jf_piece *piece);

// Any thread: both sides get NULL from now on.
void jf_relay_stop(struct jf_relay *relay);

#endif
