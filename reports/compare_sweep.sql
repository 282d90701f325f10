-- ?1: number of the sweep
SELECT id, started_utc, state, kind, uuid, build_id, protocol, plan_text, baseline, aa_floor, environment,
    seed, clock_cost_ns, clock_step_ns
FROM sweep
WHERE id = CAST(?1 AS INTEGER)
