// SPDX-License-Identifier: Apache-2.0
#include "serve/tftp_transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A client repeats its request after a second at the earliest; what comes sooner is
// a copy made by the network.
#define COPY_NS 200000000LL

struct jf_tftp_transfer *jf_tftp_transfer_new(const struct jf_tftp_link *link,
                                              const struct jf_tftp_terms *terms,
                                              struct jf_tftp_info *info) {
    struct jf_tftp_transfer *transfer = calloc(1, sizeof *transfer + terms->oack_len);
    if (!transfer)
        return NULL;
    transfer->link = *link;
    transfer->info = info;
    transfer->upload.fd = -1;
    transfer->oack_len = terms->oack_len;
    memcpy(transfer->oack, terms->oack, terms->oack_len);
    return transfer;
}

void jf_tftp_transfer_free(struct jf_tftp_transfer *transfer) {
    if (!transfer)
        return;
    jf_tftp_link_close(&transfer->link);
    jf_tftp_reader_close(&transfer->reader);
    jf_tftp_upload_close(&transfer->upload);
    free(transfer);
}

void jf_tftp_transfer_fail(struct jf_tftp_transfer *transfer, const struct jf_tftp_refusal *tell,
                           const char *reason) {
    if (tell) {
        uint8_t packet[JF_TFTP_REPLY_SIZE];
        jf_tftp_link_send(&transfer->link, packet, jf_tftp_put_error(packet, tell));
    }
    transfer->info->state = JF_TFTP_FAILED;
    snprintf(transfer->info->error, sizeof transfer->info->error, "%.255s", reason);
    transfer->over = true;
}

// The client's text stays general: local paths are none of its business.
static void fail_local(struct jf_tftp_transfer *transfer, const char *text,
                       const struct jf_error *err) {
    struct jf_tftp_refusal tell = {.code = JF_TFTP_UNDEFINED};
    jf_tftp_refuse(&tell, err->code == JF_LIMIT ? JF_TFTP_FULL : JF_TFTP_UNDEFINED, "%s", text);
    jf_tftp_transfer_fail(transfer, &tell, err->message);
}

static void fail_silent(struct jf_tftp_transfer *transfer, int64_t now_ns,
                        const struct jf_tftp_timer *timer) {
    char reason[sizeof transfer->info->error];
    snprintf(reason, sizeof reason, "no answer for %.1f s, after %" PRIu64 " of %" PRIu64 " bytes",
             (double)(now_ns - timer->heard_ns) / 1e9, transfer->info->bytes,
             transfer->info->total);
    jf_tftp_transfer_fail(transfer, NULL, reason);
}

static void fail_refused(struct jf_tftp_transfer *transfer) {
    jf_tftp_transfer_fail(transfer, NULL, "the client closed its port (ICMP port unreachable)");
}

static void note_progress(struct jf_tftp_transfer *transfer) {
    struct jf_tftp_info *info = transfer->info;
    const struct jf_tftp_sender *sender = &transfer->sender;
    uint64_t bytes = transfer->reader.netascii ? transfer->reader.mark.offset
                                               : sender->base * transfer->reader.blksize;
    info->bytes = bytes < info->total ? bytes : info->total;
    info->retransmits = sender->retransmits;
}

// How many blocks one call may send: the kernel's limits for segmentation.
static uint64_t batch_limit(uint32_t blksize) {
    uint64_t fit = JF_TFTP_DATAGRAM_MAX / (blksize + JF_TFTP_HEADER);
    return fit < 1 ? 1 : fit > JF_TFTP_BATCH ? JF_TFTP_BATCH : fit;
}

// Sends the first part of the plan. False when nothing more can be sent now.
static bool send_part(struct jf_tftp_transfer *transfer, struct jf_tftp_scratch *scratch,
                      const struct jf_tftp_plan *plan, int64_t now_ns) {
    struct jf_tftp_sender *sender = &transfer->sender;
    struct jf_error err;
    const uint8_t *bytes;
    size_t len;
    uint32_t blksize = transfer->reader.blksize;
    uint64_t limit = batch_limit(blksize);
    size_t count = (size_t)(plan->count < limit ? plan->count : limit);
    if (jf_tftp_reader_read(&transfer->reader, plan->first, count, scratch->bytes, &bytes, &len,
                            &err) != JF_OK) {
        fail_local(transfer, "the server cannot read the file", &err);
        return false;
    }
    if (len < count * blksize) {
        count = len / blksize + 1;
        sender->last = plan->first + count - 1;
    }
    errno = 0;
    size_t sent = jf_tftp_link_send_blocks(&transfer->link, &scratch->batch, plan->first, count,
                                           blksize, bytes, len);
    if (sent == 0 && errno == ECONNREFUSED) {
        fail_refused(transfer);
        return false;
    }
    bool full = sent < count && (sent > 0 || errno == EAGAIN || errno == ENOBUFS);
    // What the host refused for another reason is a lost packet: the timer repeats it.
    if (sent > 0 || !full)
        jf_tftp_sender_sent(sender, full ? sent : count, now_ns);
    if (full)
        jf_tftp_sender_stalled(sender, now_ns);
    return !full;
}

static void send_planned(struct jf_tftp_transfer *transfer, struct jf_tftp_scratch *scratch,
                         int64_t now_ns) {
    struct jf_tftp_sender *sender = &transfer->sender;
    struct jf_tftp_plan plan = jf_tftp_sender_plan(sender);
    struct jf_error err;
    if (plan.oack) {
        jf_tftp_link_send(&transfer->link, transfer->oack, transfer->oack_len);
        jf_tftp_sender_sent(sender, 0, now_ns);
        return;
    }
    if (jf_tftp_reader_mark(&transfer->reader, sender->base + 1, &err) != JF_OK) {
        fail_local(transfer, "the server cannot read the file", &err);
        return;
    }
    while (plan.count > 0 && send_part(transfer, scratch, &plan, now_ns))
        plan = jf_tftp_sender_plan(sender);
    if (sender->windowsize == 1 && !transfer->over)
        jf_tftp_reader_prefetch(&transfer->reader, sender->next);
}

static void sender_step(struct jf_tftp_transfer *transfer, struct jf_tftp_scratch *scratch,
                        enum jf_tftp_step step, int64_t now_ns) {
    switch (step) {
    case JF_TFTP_WAIT:
        break;
    case JF_TFTP_SEND:
        send_planned(transfer, scratch, now_ns);
        break;
    case JF_TFTP_DONE:
        transfer->info->bytes = transfer->info->total;
        transfer->info->state = JF_TFTP_ENDED_WELL;
        transfer->over = true;
        return;
    case JF_TFTP_SILENT:
        fail_silent(transfer, now_ns, &transfer->sender.timer);
        return;
    }
    note_progress(transfer);
    transfer->due_ns = transfer->sender.timer.due_ns;
}

void jf_tftp_transfer_read(struct jf_tftp_transfer *transfer, struct jf_tftp_scratch *scratch,
                           struct jf_content *content, bool netascii,
                           const struct jf_tftp_timer *timer, int64_t now_ns) {
    const struct jf_tftp_info *info = transfer->info;
    jf_tftp_reader_open(&transfer->reader, content, info->blksize, netascii);
    jf_tftp_sender_start(&transfer->sender, info->windowsize, transfer->oack_len > 0,
                         jf_tftp_reader_last(&transfer->reader), timer);
    sender_step(transfer, scratch, JF_TFTP_SEND, now_ns);
}

static void send_ack(struct jf_tftp_transfer *transfer, int64_t now_ns) {
    struct jf_tftp_receiver *receiver = &transfer->receiver;
    uint8_t ack[JF_TFTP_HEADER];
    if (receiver->greeting) {
        jf_tftp_link_send(&transfer->link, transfer->oack, transfer->oack_len);
    } else {
        jf_tftp_put_header(ack, JF_TFTP_ACK, receiver->received);
        jf_tftp_link_send(&transfer->link, ack, sizeof ack);
    }
    jf_tftp_receiver_sent(receiver, now_ns);
}

void jf_tftp_transfer_write(struct jf_tftp_transfer *transfer, const struct jf_tftp_timer *timer,
                            int64_t now_ns) {
    const struct jf_tftp_info *info = transfer->info;
    jf_tftp_receiver_start(&transfer->receiver, info->blksize, info->windowsize,
                           transfer->oack_len > 0, timer);
    send_ack(transfer, now_ns);
    transfer->due_ns = transfer->receiver.timer.due_ns;
}

// The final block is stored. False when the file could not be completed.
static bool finish_write(struct jf_tftp_transfer *transfer, int64_t now_ns) {
    struct jf_error err;
    struct jf_tftp_info *info = transfer->info;
    if (jf_tftp_upload_commit(&transfer->upload, info->sha256, &err) != JF_OK) {
        fail_local(transfer, "the server cannot keep the file", &err);
        return false;
    }
    info->bytes = transfer->upload.size;
    info->total = info->bytes;
    info->total_known = true;
    info->state = JF_TFTP_ENDED_WELL;
    transfer->lingering = true;
    // Longer than the client's timer: when the last ACK is lost, it repeats its block.
    transfer->due_ns = now_ns + 2 * transfer->receiver.timer.cap_ns;
    return true;
}

static void receiver_step(struct jf_tftp_transfer *transfer, struct jf_tftp_verdict verdict,
                          const uint8_t *bytes, size_t len, int64_t now_ns) {
    struct jf_error err;
    if (verdict.silent) {
        fail_silent(transfer, now_ns, &transfer->receiver.timer);
        return;
    }
    if (verdict.store && jf_tftp_upload_write(&transfer->upload, bytes, len, &err) != JF_OK) {
        fail_local(transfer, "the file is too large, or cannot be stored", &err);
        return;
    }
    // Committed before the last ACK: the client must not believe too early.
    if (verdict.last && !finish_write(transfer, now_ns))
        return;
    if (verdict.ack)
        send_ack(transfer, now_ns);
    transfer->info->retransmits = transfer->receiver.retransmits;
    if (transfer->lingering)
        return;
    transfer->info->bytes = transfer->upload.size;
    transfer->due_ns = transfer->receiver.timer.due_ns;
}

void jf_tftp_transfer_again(struct jf_tftp_transfer *transfer, struct jf_tftp_scratch *scratch,
                            int64_t now_ns) {
    bool write = transfer->info->write;
    int64_t sent_ns = write ? transfer->receiver.sent_ns : transfer->sender.sent_ns;
    if (now_ns - sent_ns < COPY_NS)
        return;
    if (write) {
        send_ack(transfer, now_ns);
        return;
    }
    transfer->sender.next = 1;
    sender_step(transfer, scratch, JF_TFTP_SEND, now_ns);
}

static void bad_packet(struct jf_tftp_transfer *transfer) {
    struct jf_tftp_refusal tell = {.code = JF_TFTP_UNDEFINED};
    jf_tftp_refuse(&tell, JF_TFTP_ILLEGAL, "unexpected packet");
    jf_tftp_transfer_fail(transfer, &tell, "the client sent a packet that does not belong here");
}

static void client_error(struct jf_tftp_transfer *transfer, const uint8_t *packet, size_t len) {
    char text[sizeof transfer->info->error];
    jf_tftp_describe_error(packet, len, text, sizeof text);
    jf_tftp_transfer_fail(transfer, NULL, text);
}

void jf_tftp_transfer_packet(struct jf_tftp_transfer *transfer, struct jf_tftp_scratch *scratch,
                             const uint8_t *packet, size_t len, int64_t now_ns) {
    unsigned opcode = jf_tftp_packet_opcode(packet, len);
    bool write = transfer->info->write;
    if (transfer->over || len < JF_TFTP_HEADER)
        return;
    if (opcode == JF_TFTP_ERROR && !transfer->lingering) {
        client_error(transfer, packet, len);
    } else if (opcode == JF_TFTP_ACK && !write) {
        uint16_t block = jf_tftp_packet_block(packet);
        sender_step(transfer, scratch, jf_tftp_sender_ack(&transfer->sender, block, now_ns),
                    now_ns);
    } else if (opcode == JF_TFTP_DATA && write) {
        size_t bytes = len - JF_TFTP_HEADER;
        if (bytes > transfer->receiver.blksize) {
            bad_packet(transfer);
            return;
        }
        receiver_step(
            transfer,
            jf_tftp_receiver_data(&transfer->receiver, jf_tftp_packet_block(packet), bytes, now_ns),
            packet + JF_TFTP_HEADER, bytes, now_ns);
    } else if (!transfer->lingering) {
        bad_packet(transfer);
    }
}

void jf_tftp_transfer_tick(struct jf_tftp_transfer *transfer, struct jf_tftp_scratch *scratch,
                           int64_t now_ns) {
    if (transfer->over || now_ns < transfer->due_ns)
        return;
    if (transfer->lingering)
        transfer->over = true;
    else if (transfer->info->write)
        receiver_step(transfer, jf_tftp_receiver_tick(&transfer->receiver, now_ns), NULL, 0,
                      now_ns);
    else
        sender_step(transfer, scratch, jf_tftp_sender_tick(&transfer->sender, now_ns), now_ns);
}
