/* What the files of the doctor share. */
#ifndef PROFILER_MEASURE_DOCTOR_INTERNAL_H
#define PROFILER_MEASURE_DOCTOR_INTERNAL_H

#include "profiler/measure/doctor.h"

enum { MOP_DOCTOR_CANARIES = 400 };

/* What was seen over the look. */
typedef struct mop_patient {
    const mop_doctor_world *world;
    mop_machine_state before, after;
    double canary_floor, canary_median, canary_slow; /* 5th percentile, median, 90th; NAN: none */
    int online;                                      /* processors of the machine; 0: unknown */
} mop_patient;

#define MOP_DISTURBANCE_ROW(id, why, remedy)                                                       \
    void mop_doctor_##id(const mop_patient *p, mop_finding *f);
#include "profiler/measure/doctor.def"
#undef MOP_DISTURBANCE_ROW

/* Sets severity and the sentence. */
void mop_doctor_say(mop_finding *f, mop_severity severity, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The first line of root/path without its end; false and "" if there is none. */
bool mop_doctor_line(const mop_patient *p, const char *path, char *line, size_t size);

/* The number at the start of root/path, or MOP_ABSENT. */
int64_t mop_doctor_number(const mop_patient *p, const char *path);

/* The number after `key` at the start of a line of root/path, or MOP_ABSENT. */
int64_t mop_doctor_field(const mop_patient *p, const char *path, const char *key);

/* Whether the first processor of /proc/cpuinfo has that flag. */
bool mop_doctor_has_flag(const mop_patient *p, const char *flag);

#endif
