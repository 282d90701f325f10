#include "profiler/measure/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"

/* "moprofw" and the layout's number. */
#define WIRE_MAGIC UINT64_C(0x0177666f72706f6d)
#define WIRE_MOST  (UINT64_C(1) << 30) /* bytes of a payload: a long sweep's history is 30 MB */

typedef struct head {
    uint64_t magic;
    uint64_t type;
    uint64_t length;
    uint64_t check; /* hash of type, length and payload */
} head;

void mop_bytes_release(mop_bytes *b)
{
    free(b->data);
    *b = (mop_bytes){0};
}

void mop_bytes_clear(mop_bytes *b)
{
    b->len = b->at = 0;
    b->failed = false;
}

static bool reserve(mop_bytes *b, size_t n)
{
    if (n > WIRE_MOST || b->len > WIRE_MOST)
        return false;
    if (b->cap - b->len >= n)
        return true;
    size_t cap = 2 * b->cap > b->len + n ? 2 * b->cap : b->len + n;
    unsigned char *p = mop_realloc(b->data, cap, 1, NULL);
    if (p == NULL)
        return false;
    b->data = p;
    b->cap = cap;
    return true;
}

void mop_bytes_put(mop_bytes *b, const void *data, size_t n)
{
    if (b->failed || n == 0)
        return;
    if (!reserve(b, n)) {
        b->failed = true;
        return;
    }
    memcpy(b->data + b->len, data, n);
    b->len += n;
}

void mop_bytes_get(mop_bytes *b, void *dst, size_t n)
{
    if (n == 0)
        return;
    if (b->failed || b->len - b->at < n) {
        b->failed = true;
        memset(dst, 0, n);
        return;
    }
    memcpy(dst, b->data + b->at, n);
    b->at += n;
}

void mop_bytes_put_array(mop_bytes *b, const void *data, size_t n, size_t size)
{
    uint64_t count = n;
    mop_bytes_put(b, &count, sizeof count);
    mop_bytes_put(b, data, n * size);
}

void *mop_bytes_get_array(mop_bytes *b, size_t *n, size_t size)
{
    uint64_t count;
    void *p;
    *n = 0;
    mop_bytes_get(b, &count, sizeof count);
    if (b->failed || count > (b->len - b->at) / size) {
        b->failed = true;
        return NULL;
    }
    p = mop_calloc((size_t)count, size, NULL);
    if (p == NULL) {
        b->failed = true;
        return NULL;
    }
    mop_bytes_get(b, p, (size_t)count * size);
    *n = (size_t)count;
    return p;
}

void mop_bytes_put_text(mop_bytes *b, const char *text)
{
    uint64_t length = text != NULL ? strlen(text) : UINT64_MAX;
    mop_bytes_put(b, &length, sizeof length);
    if (text != NULL)
        mop_bytes_put(b, text, (size_t)length);
}

char *mop_bytes_get_text(mop_bytes *b)
{
    uint64_t length;
    char *text;
    mop_bytes_get(b, &length, sizeof length);
    if (b->failed || length == UINT64_MAX)
        return NULL;
    if (length > b->len - b->at || (text = mop_calloc((size_t)length + 1, 1, NULL)) == NULL) {
        b->failed = true;
        return NULL;
    }
    mop_bytes_get(b, text, (size_t)length);
    return text;
}

static uint64_t check_of(uint64_t type, const unsigned char *data, size_t n)
{
    return mop_hash(mop_hash_u64(mop_hash_u64(MOP_HASH_INIT, type), n), data, n);
}

static mop_status send_all(int fd, const void *data, size_t n, mop_err *err)
{
    const unsigned char *p = data;
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return mop_fail(err, MOP_EIO, "the other process does not take what is sent to it: %s",
                            strerror(errno));
        p += sent;
        n -= (size_t)sent;
    }
    return MOP_OK;
}

mop_status mop_wire_send(int fd, mop_frame type, const mop_bytes *payload, mop_err *err)
{
    const head h = {.magic = WIRE_MAGIC,
                    .type = (uint64_t)type,
                    .length = payload->len,
                    .check = check_of((uint64_t)type, payload->data, payload->len)};
    if (payload->failed)
        return mop_fail(err, MOP_ENOMEM, "no memory for a message between processes");
    mop_status st = send_all(fd, &h, sizeof h, err);
    return st == MOP_OK ? send_all(fd, payload->data, payload->len, err) : st;
}

static mop_status receive_all(int fd, void *data, size_t n, mop_err *err)
{
    unsigned char *p = data;
    while (n > 0) {
        ssize_t got = recv(fd, p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return mop_fail(err, MOP_EIO, "the other process has gone away");
        p += got;
        n -= (size_t)got;
    }
    return MOP_OK;
}

static mop_status look_at(const head *h, mop_err *err)
{
    if (h->magic == WIRE_MAGIC && h->type >= MOP_FRAME_JOB && h->type <= MOP_FRAME_DONE &&
        h->length <= WIRE_MOST)
        return MOP_OK;
    return mop_fail(err, MOP_EFAIL, "garbage came instead of a message");
}

static mop_status hold_to(const head *h, const mop_bytes *payload, mop_err *err)
{
    if (h->check == check_of(h->type, payload->data, payload->len))
        return MOP_OK;
    return mop_fail(err, MOP_EFAIL, "a message of %" PRIu64 " bytes is damaged", h->length);
}

mop_status mop_wire_receive(int fd, mop_frame *type, mop_bytes *payload, mop_err *err)
{
    head h;
    mop_bytes_clear(payload);
    mop_status st = receive_all(fd, &h, sizeof h, err);
    if (st == MOP_OK)
        st = look_at(&h, err);
    if (st != MOP_OK)
        return st;
    if (!reserve(payload, (size_t)h.length))
        return mop_fail(err, MOP_ENOMEM, "no memory for a message of %" PRIu64 " bytes", h.length);
    st = receive_all(fd, payload->data, (size_t)h.length, err);
    if (st != MOP_OK)
        return st;
    payload->len = (size_t)h.length;
    *type = (mop_frame)h.type;
    return hold_to(&h, payload, err);
}

mop_status mop_wire_take(mop_bytes *stream, mop_frame *type, mop_bytes *payload, bool *is_whole,
                         mop_err *err)
{
    head h;
    *is_whole = false;
    if (stream->failed)
        return mop_fail(err, MOP_ENOMEM, "no memory for what another process sends");
    if (stream->len < sizeof h)
        return MOP_OK;
    memcpy(&h, stream->data, sizeof h);
    mop_status st = look_at(&h, err);
    if (st != MOP_OK || stream->len - sizeof h < h.length)
        return st;
    mop_bytes_clear(payload);
    mop_bytes_put(payload, stream->data + sizeof h, (size_t)h.length);
    if (payload->failed)
        return mop_fail(err, MOP_ENOMEM, "no memory for a message of %" PRIu64 " bytes", h.length);
    stream->len -= sizeof h + (size_t)h.length;
    memmove(stream->data, stream->data + sizeof h + h.length, stream->len);
    *type = (mop_frame)h.type;
    *is_whole = true;
    return hold_to(&h, payload, err);
}
