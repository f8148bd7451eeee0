// SPDX-License-Identifier: Apache-2.0
#include "base/notes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"

struct note {
    SLIST_ENTRY(note) link;
    char *key;
    char *text;
};

struct jf_notes {
    pthread_mutex_t lock;
    SLIST_HEAD(note_list, note) list;
};

struct jf_notes *jf_notes_new(void) {
    struct jf_notes *notes = calloc(1, sizeof *notes);
    if (!notes)
        return NULL;
    pthread_mutex_init(&notes->lock, NULL);
    SLIST_INIT(&notes->list);
    return notes;
}

static void free_note(struct note *note) {
    free(note->key);
    free(note->text);
    free(note);
}

void jf_notes_free(struct jf_notes *notes) {
    if (!notes)
        return;
    while (!SLIST_EMPTY(&notes->list)) {
        struct note *first = SLIST_FIRST(&notes->list);
        SLIST_REMOVE_HEAD(&notes->list, link);
        free_note(first);
    }
    pthread_mutex_destroy(&notes->lock);
    free(notes);
}

static void remove_key(struct jf_notes *notes, const char *key) {
    for (struct note *note = SLIST_FIRST(&notes->list); note; note = SLIST_NEXT(note, link)) {
        if (strcmp(note->key, key) == 0) {
            SLIST_REMOVE(&notes->list, note, note, link);
            free_note(note);
            return;
        }
    }
}

static struct note *new_note(const char *key, const char *text) {
    struct note *note = calloc(1, sizeof *note);
    if (!note)
        return NULL;
    note->key = strdup(key);
    note->text = strdup(text);
    if (note->key && note->text)
        return note;
    free_note(note);
    return NULL;
}

bool jf_notes_set(struct jf_notes *notes, const char *key, const char *text) {
    struct note *note = text ? new_note(key, text) : NULL;
    if (text && !note)
        return false;
    pthread_mutex_lock(&notes->lock);
    remove_key(notes, key);
    if (note)
        SLIST_INSERT_HEAD(&notes->list, note, link);
    pthread_mutex_unlock(&notes->lock);
    return true;
}

void jf_notes_write(struct jf_notes *notes, int fd, const char *prefix) {
    struct timespec soon = jf_deadline_timespec(jf_deadline_in(0.2));
    if (pthread_mutex_clocklock(&notes->lock, CLOCK_MONOTONIC, &soon) != 0)
        return;
    for (struct note *note = SLIST_FIRST(&notes->list); note; note = SLIST_NEXT(note, link)) {
        dprintf(fd, "%s%s\n", prefix, note->text);
    }
    pthread_mutex_unlock(&notes->lock);
}
