/* Whether a device's timestamps may be believed: drivers exist that have none, report a period of
 * 0, count something else than time or count it at another rate. */
#ifndef KERNELS_VK_TIMER_H
#define KERNELS_VK_TIMER_H

#include "kernels/vk/context.h"

/* Whether the timestamps of vk's queue are trusted. Tested at the first call, in some 50 ms, and
 * remembered in vk->timer, whose `why` is the reason where they are not. A kernel of known work
 * runs at lengths 0, 1, 2 and 4. Trusted is a clock by which the work lasts 1 : 2 : 4 within 10 %,
 * at least 3/4 as long as by the host's clock, and no run ever longer than the host saw it. The
 * smallest of several tries count, so that other work on the machine does not decide. */
bool mop_vk_timer_is_trusted(mop_vk *vk);

/* From tick `from` to tick `to` in ns: the counter's valid bits, which wrap round, times its
 * period. Spans beyond mop_vk_timer_range_ns() cannot be told from shorter ones. */
double mop_vk_timer_ns(const mop_vk *vk, uint64_t from, uint64_t to);
double mop_vk_timer_range_ns(const mop_vk *vk);

/* Whether queries are reset by a call of the host, not by a command. */
bool mop_vk_timer_resets_on_host(const mop_vk *vk);

/* Reads the device's clock and mop_clock_real() together, at most *deviation_ns apart. False where
 * the device cannot (MOP_VK_CAN_CALIBRATED) or fails. */
bool mop_vk_timer_read_both(const mop_vk *vk, uint64_t *tick, uint64_t *host_ns,
                            uint64_t *deviation_ns);

#endif
