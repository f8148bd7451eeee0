// SPDX-License-Identifier: Apache-2.0
//
// One transfer: the state machine (tftp_sender.h or tftp_receiver.h) tied to its
// client's link and to the bytes. Runs on the server's thread, under its lock.
#ifndef JF_SERVE_TFTP_TRANSFER_H
#define JF_SERVE_TFTP_TRANSFER_H

#include "serve/tftp.h"
#include "serve/tftp_link.h"
#include "serve/tftp_reader.h"
#include "serve/tftp_receiver.h"
#include "serve/tftp_sender.h"
#include "serve/tftp_upload.h"

// Buffers that all transfers of a server share.
struct jf_tftp_scratch {
    uint8_t input[65536];
    uint8_t bytes[65536]; // blocks on their way out
    struct jf_tftp_batch batch;
};

struct jf_tftp_transfer {
    struct jf_tftp_link link;
    struct jf_tftp_info *info; // belongs to the server's history
    uint64_t entry_id;         // of the name that a write uses up
    bool settled;              // the server has taken note of the end
    bool lingering;            // a complete write: still repeats its last ACK
    bool over;                 // to be freed
    int patience;              // the server's: events before it looks for more at once
    int64_t due_ns;            // when jf_tftp_transfer_tick is wanted

    struct jf_tftp_sender sender;
    struct jf_tftp_reader reader;
    struct jf_tftp_receiver receiver;
    struct jf_tftp_upload upload;
    size_t oack_len;
    uint8_t oack[];
};

// A transfer over `link`, which it takes over. NULL when memory is out (the link is
// then still the caller's).
struct jf_tftp_transfer *jf_tftp_transfer_new(const struct jf_tftp_link *link,
                                              const struct jf_tftp_terms *terms,
                                              struct jf_tftp_info *info);

// Accepts NULL.
void jf_tftp_transfer_free(struct jf_tftp_transfer *transfer);

// Begin: the first packet goes out.
void jf_tftp_transfer_read(struct jf_tftp_transfer *transfer, struct jf_tftp_scratch *scratch,
                           struct jf_content *content, bool netascii,
                           const struct jf_tftp_timer *timer, int64_t now_ns);
void jf_tftp_transfer_write(struct jf_tftp_transfer *transfer, const struct jf_tftp_timer *timer,
                            int64_t now_ns);

// The client asked for the same once more; only for one that has not answered yet.
void jf_tftp_transfer_again(struct jf_tftp_transfer *transfer, struct jf_tftp_scratch *scratch,
                            int64_t now_ns);

// A packet of the client arrived.
void jf_tftp_transfer_packet(struct jf_tftp_transfer *transfer, struct jf_tftp_scratch *scratch,
                             const uint8_t *packet, size_t len, int64_t now_ns);

// `due_ns` has passed.
void jf_tftp_transfer_tick(struct jf_tftp_transfer *transfer, struct jf_tftp_scratch *scratch,
                           int64_t now_ns);

// Ends the transfer as failed; `tell` sends the client an ERROR.
void jf_tftp_transfer_fail(struct jf_tftp_transfer *transfer, const struct jf_tftp_refusal *tell,
                           const char *reason);

#endif
