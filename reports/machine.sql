-- The fingerprint is one text "key=value;key=value;": one row for each pair.
WITH RECURSIVE piece (device, rest, place, part) AS (
    SELECT DISTINCT backend || ': ' || name || CASE isa WHEN '' THEN '' ELSE ', ' || isa END,
        fingerprint || ';', 0, ''
    FROM device
    UNION ALL
    SELECT device, substr(rest, instr(rest, ';') + 1), place + 1,
        substr(rest, 1, instr(rest, ';') - 1)
    FROM piece
    WHERE rest <> ''
)
SELECT
    device AS setting,
    substr(part, 1, instr(part, '=') - 1) AS property, substr(part, instr(part, '=') + 1) AS value
FROM piece
WHERE part LIKE '%=%'
ORDER BY device, place
