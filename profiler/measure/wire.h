/* Frames over a stream socket between a supervisor and its worker: plain bytes of the same program
 * on both sides, with a length and a hash, so that anything else is recognised as garbage. */
#ifndef PROFILER_MEASURE_WIRE_H
#define PROFILER_MEASURE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/base/status.h"

/* Bytes that grow at the end and are read from the front. Starts as {0}. Failure is sticky: memory
 * ran out, or more was read than there is. */
typedef struct mop_bytes {
    unsigned char *data;
    size_t len, cap;
    size_t at; /* of the next get */
    bool failed;
} mop_bytes;

void mop_bytes_release(mop_bytes *b);
void mop_bytes_clear(mop_bytes *b); /* empty, memory kept */
void mop_bytes_put(mop_bytes *b, const void *data, size_t n);
/* n bytes to dst; zeros if there are not that many left. */
void mop_bytes_get(mop_bytes *b, void *dst, size_t n);
/* n elements of size bytes behind a count; the array got is malloc'ed, NULL for an absent or failed
 * one. */
void mop_bytes_put_array(mop_bytes *b, const void *data, size_t n, size_t size);
void *mop_bytes_get_array(mop_bytes *b, size_t *n, size_t size);
/* A text or NULL. The one got is malloc'ed. */
void mop_bytes_put_text(mop_bytes *b, const char *text);
char *mop_bytes_get_text(mop_bytes *b);

/* The frames of one sweep. Calls are answered by one MOP_FRAME_REPLY, events by nothing. */
typedef enum mop_frame {
    MOP_FRAME_JOB = 1, /* supervisor to worker, first */
    MOP_FRAME_REPLY,
    MOP_FRAME_BEGIN_PLAN,
    MOP_FRAME_PUT_DEVICE,
    MOP_FRAME_PUT_MODEL,
    MOP_FRAME_PUT_MEASUREMENT,
    MOP_FRAME_COMMIT_PLAN,
    MOP_FRAME_COMPLETE_MODEL,
    MOP_FRAME_ABORT_PLAN,
    MOP_FRAME_UPDATE_MEASUREMENT,
    MOP_FRAME_COMMIT_PASS,
    MOP_FRAME_PUT_LAYER_TIMES,
    MOP_FRAME_PUT_CONTROL,
    MOP_FRAME_PUT_WORKER,
    MOP_FRAME_FINISH_SWEEP,
    MOP_FRAME_RESUME,
    MOP_FRAME_NOTE,
    MOP_FRAME_PLANNED,
    MOP_FRAME_PREPARED,
    MOP_FRAME_PASS_DONE,
    MOP_FRAME_FINISHED,
    MOP_FRAME_DONE /* worker to supervisor, last */
} mop_frame;

/* Sends one frame. MOP_EIO if the other side is gone or does not take it within the socket's send
 * timeout; MOP_ENOMEM if building the payload failed. */
mop_status mop_wire_send(int fd, mop_frame type, const mop_bytes *payload, mop_err *err);

/* Waits for one frame and replaces payload. MOP_EIO at the end of the stream, MOP_EFAIL for
 * garbage. */
mop_status mop_wire_receive(int fd, mop_frame *type, mop_bytes *payload, mop_err *err);

/* Takes the first frame out of what was received so far; *is_whole is false while it is not
 * complete. MOP_EFAIL for garbage. */
mop_status mop_wire_take(mop_bytes *stream, mop_frame *type, mop_bytes *payload, bool *is_whole,
                         mop_err *err);

#endif
