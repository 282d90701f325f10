/* Faults inside SQLite: its n-th allocation, or the n-th write, sync or truncation of a file,
 * fails. */
#ifndef TESTS_SUPPORT_SQLITE_FAULTS_H
#define TESTS_SUPPORT_SQLITE_FAULTS_H

#include <stdbool.h>

typedef enum sqlite_fault { SQLITE_FAULT_MEMORY, SQLITE_FAULT_FILE } sqlite_fault;

/* Puts itself between SQLite and the system; once, before SQLite is used. */
void sqlite_faults_install(void);

/* From now on the n-th occasion (from 1) of that kind fails; with for_good every later one too. 0:
 * none. */
void sqlite_faults_arm(sqlite_fault kind, unsigned n, bool for_good);

/* True if a fault has happened since sqlite_faults_arm. Disarms. */
bool sqlite_faults_disarm(void);

/* What reaches the disk, as it happens: before and after the sync of a file, and when one is
 * removed. Process-wide; NULL hooks: none. */
typedef struct sqlite_watch {
    void (*before_sync)(void *ctx, const char *path);
    void (*after_sync)(void *ctx, const char *path);
    void (*removed)(void *ctx, const char *path, bool is_durable);
    void *ctx;
} sqlite_watch;
void sqlite_faults_watch(sqlite_watch watch);

#endif
