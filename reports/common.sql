-- Put before the SQL of a section: everything is the newest result of each setting, with the setting in
-- words; results leaves out grade X and what has no clean sample. A CPU that plays a GPU is called so
-- wherever its figures appear.
WITH everything AS (
    SELECT
        CASE WHEN is_software AND backend <> 'cpu'
            THEN 'software ' || upper(substr(backend, 1, 1)) || substr(backend, 2)
                || ' device (a CPU, not a GPU): ' || device
            ELSE backend || ': ' || device || CASE isa WHEN '' THEN '' ELSE ', ' || isa END
        END
        || CASE threads WHEN 0 THEN '' WHEN 1 THEN ', 1 thread' ELSE ', ' || threads || ' threads' END
        || CASE batch WHEN 1 THEN '' ELSE ', batch ' || batch END
        || CASE dtype WHEN 'fp32' THEN '' ELSE ', ' || dtype END
        || CASE cache WHEN 'hot' THEN '' ELSE ', cache ' || cache END AS setting,
        *
    FROM result
),
results AS (
    SELECT * FROM everything
    WHERE median_ns IS NOT NULL AND grade IS NOT 'X'
)
