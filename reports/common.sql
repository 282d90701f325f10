-- Put before the SQL of a section: everything is the newest result of each setting, with the setting in
-- words (site is that without what is fused); results leaves out grade X and what has no clean sample. A CPU that
-- plays a GPU is called so wherever its figures appear. What is fused is not said where it is all that there is: everything, or, if the
-- device has no other setting, the three fusions that every back end has.
WITH everything AS (
    SELECT
        site || CASE WHEN is_plain THEN '' ELSE ', fuse ' || fuse || ', Winograd ' || winograd END AS setting,
        *
    FROM (
        SELECT *,
            CASE WHEN is_software AND backend <> 'cpu'
                THEN 'software ' || upper(substr(backend, 1, 1)) || substr(backend, 2)
                    || ' device (a CPU, not a GPU): ' || device
                ELSE backend || ': ' || device || CASE isa WHEN '' THEN '' ELSE ', ' || isa END
            END
            || CASE threads WHEN 0 THEN '' WHEN 1 THEN ', 1 thread' ELSE ', ' || threads || ' threads' END
            || CASE batch WHEN 1 THEN '' ELSE ', batch ' || batch END
            || CASE dtype WHEN 'fp32' THEN '' ELSE ', ' || dtype END
            || CASE cache WHEN 'hot' THEN '' ELSE ', cache ' || cache END AS site,
            fuse = 'all' AND winograd = 'auto' OR fuse = 'bn+act+add' AND winograd = 'off'
                AND min(fuse || winograd) OVER here = max(fuse || winograd) OVER here AS is_plain
        FROM result
        WINDOW here AS (PARTITION BY backend, device, isa))
),
results AS (
    SELECT * FROM everything
    WHERE median_ns IS NOT NULL AND grade IS NOT 'X'
)
