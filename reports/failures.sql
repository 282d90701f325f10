SELECT
    backend AS "back end", device, variant, threads, batch, dtype, state, reason,
    error, error_bound AS "bound", started_utc AS "sweep"
FROM failure
ORDER BY backend, device, variant, threads, batch, started_utc DESC
