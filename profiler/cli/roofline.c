#include "profiler/cli/roofline.h"

#include <math.h>
#include <stdio.h>

#include "profiler/cli/cli.h"

static const char newest[] =
    "SELECT p.value, b.value FROM sweep AS w "
    "JOIN calibration AS b ON b.sweep_id = w.id AND b.name = 'read_bandwidth_dram' || ?4 "
    "JOIN calibration AS p ON p.sweep_id = w.id AND p.device_id = b.device_id "
    "AND p.name = 'peak_flops_' || ?3 || '_fp32' || ?4 "
    "JOIN device AS d ON d.id = b.device_id "
    "WHERE w.kind = 'calibration' AND d.backend = 'cpu' AND d.uuid = ?1 AND d.name = ?2 "
    "ORDER BY w.started_utc DESC, w.id DESC LIMIT 1";

static mop_status look_up(const char *path, const mop_device_info *info, mop_roofline *out,
                          mop_err *err)
{
    char suffix[16] = "";
    const char *const params[] = {info->uuid, info->name, info->isa, suffix};
    mop_db *db = NULL;
    mop_table t = {0};
    mop_status status = mop_db_open(path, &db, err);
    if (info->threads > 1)
        (void)snprintf(suffix, sizeof suffix, "_x%d", info->threads); /* fits */
    if (status == MOP_OK)
        status = mop_db_query(db, newest, params, 4, &t, err);
    if (status == MOP_OK && t.n_rows == 1)
        *out = (mop_roofline){t.cells[0].r, t.cells[1].r};
    mop_table_release(&t);
    mop_db_close(db);
    return status;
}

mop_status mop_roofline_read(const char *db, const mop_device_info *info, mop_roofline *out,
                             mop_err *err)
{
    const bool is_named = db != NULL && *db != '\0';
    mop_roofline found = {(double)NAN, (double)NAN};
    mop_err unread = {0};
    mop_status status = look_up(mop_cli_db(db), info, &found, is_named ? err : &unread);
    if (status != MOP_OK && is_named)
        return status;
    *out = found; /* nobody asked for the file that could not be read */
    return MOP_OK;
}

double mop_roofline_intensity(int64_t macs, int64_t bytes)
{
    return bytes > 0 ? 2 * (double)macs / (double)bytes : (double)NAN;
}

double mop_roofline_attainable(const mop_roofline *r, double intensity)
{
    const double memory = intensity * r->bytes_per_s;
    if (isnan(memory) || isnan(r->peak_flops))
        return (double)NAN;
    return memory < r->peak_flops ? memory : r->peak_flops;
}

const char *mop_roofline_bound(const mop_roofline *r, double intensity)
{
    const double attainable = mop_roofline_attainable(r, intensity);
    if (isnan(attainable) || intensity <= 0)
        return "";
    return attainable < r->peak_flops ? "memory" : "compute";
}
