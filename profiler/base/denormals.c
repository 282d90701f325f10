#include "profiler/base/denormals.h"

#if defined(__x86_64__)
#include <xmmintrin.h>

enum { FLUSH = 0x8040 }; /* FTZ, DAZ */

static unsigned control(void)
{
    return _mm_getcsr();
}

static void set_control(unsigned value)
{
    _mm_setcsr(value);
}
#elif defined(__aarch64__)
enum { FLUSH = 1 << 24 }; /* FZ (Arm ARM, FPCR) */

static unsigned control(void)
{
    unsigned long value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return (unsigned)value;
}

static void set_control(unsigned value)
{
    __asm__ volatile("msr fpcr, %0" : : "r"((unsigned long)value));
}
#else
enum { FLUSH = 0 };

static unsigned control(void)
{
    return 0;
}

static void set_control(unsigned value)
{
    (void)value;
}
#endif

unsigned mop_denormals_flush(void)
{
    const unsigned before = control();
    set_control(before | FLUSH);
    return before;
}

void mop_denormals_restore(unsigned before)
{
    set_control((before & FLUSH) | (control() & ~(unsigned)FLUSH));
}

bool mop_denormals_are_flushed(void)
{
    return (control() & FLUSH) != 0;
}
