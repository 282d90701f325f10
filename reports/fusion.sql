-- One row for each pass in which a network was timed clean in two settings: with some fusions and with
-- none, with Winograd's convolution and without, and in another number type than float32 and in that; the rest of the
-- setting is the same.
, kind AS (
    SELECT *, min(winograd) OVER here <> max(winograd) OVER here AS has_choice
    FROM results
    WINDOW here AS (PARTITION BY backend, device, isa)
),
pair AS (
    SELECT
        CASE WHEN w.dtype = p.dtype THEN w.site ELSE replace(w.site, ', ' || w.dtype, '') END AS setting, w.variant,
        CASE WHEN w.dtype <> p.dtype THEN p.dtype WHEN w.fuse = p.fuse THEN 'Winograd off' ELSE 'fuse none' END AS base,
        CASE WHEN w.dtype <> p.dtype
            THEN w.dtype || CASE WHEN w.is_plain THEN '' ELSE ', fuse ' || w.fuse || ', Winograd ' || w.winograd END
            WHEN w.fuse = p.fuse THEN 'Winograd, fuse ' || w.fuse
            ELSE 'fuse ' || w.fuse || CASE WHEN w.has_choice THEN ', Winograd ' || w.winograd ELSE '' END
            END AS modifier,
        w.measurement AS own, p.measurement AS other, NULL AS paper
    FROM kind AS w
    JOIN result_all AS p
        ON p.sweep = w.sweep AND p.variant = w.variant AND p.backend = w.backend
        AND p.device = w.device AND p.isa = w.isa AND p.threads = w.threads
        AND p.batch = w.batch AND p.cache = w.cache AND p.grade IS NOT 'X'
        AND (p.fuse = 'none' AND w.fuse <> 'none' AND p.winograd = w.winograd AND p.dtype = w.dtype
            OR p.winograd = 'off' AND w.winograd <> 'off' AND p.fuse = w.fuse AND p.dtype = w.dtype
            OR p.dtype = 'fp32' AND w.dtype <> 'fp32' AND p.fuse = w.fuse AND p.winograd = w.winograd)
)
